"""EIP-681 payment URIs. Amounts are written out in full: some wallets misread its exponent form."""


def native_uri(address: str, chain_id: int, amount_raw: int) -> str:
    """A transfer of the chain's own coin: `ethereum:<address>@<chain id>?value=<wei>`."""
    return f"ethereum:{address}@{chain_id}?value={amount_raw}"


def token_uri(contract: str, address: str, chain_id: int, amount_raw: int) -> str:
    """A call of an ERC-20 contract's transfer(address,uint256); the scheme is the same on every EVM chain."""
    return f"ethereum:{contract}@{chain_id}/transfer?address={address}&uint256={amount_raw}"
