"""Where money may be sent: a checked address that is nobody's trap (contract, section 4)."""

from app.core import database
from app.core.errors import ApiError, Code
from app.networks.config import NetworkConfig
from app.networks.registry import Networks

ZERO_EVM_ADDRESS = "0x" + 40 * "0"
"""Where tokens go to be burnt; wallets send it by mistake for "none"."""


async def check(networks: Networks, network: NetworkConfig, address: str, memo: str | None, *, field: str) -> str:
    """The canonical form of a destination; `field` is what the caller's body calls it.

    Raises INVALID_DESTINATION for what is no address of the network or has a wrong checksum, for the zero address,
    for the contract of a token that we know, for our hot wallet and for a deposit address of ours; MEMO_NOT_ALLOWED
    for any memo: none of the kinds of network that we speak has memos.
    """
    if memo is not None:
        raise ApiError(Code.MEMO_NOT_ALLOWED, f"{field}_memo: {network.chain} has no memos")
    try:
        canonical = networks.chain(network.key).normalise_address(address)
    except ValueError as error:
        raise _invalid(field, str(error)) from None
    if canonical == ZERO_EVM_ADDRESS:
        raise _invalid(field, "is the zero address")
    if canonical == network.hot_wallet_address:
        raise _invalid(field, "is our own hot wallet")
    if any(canonical == asset.contract for asset in network.assets):
        raise _invalid(field, "is a token's contract: what is sent there is lost")
    ours = await database.fetch_value(
        "SELECT 1 FROM deposit_addresses WHERE network = $1 AND address = $2", network.key, canonical
    )
    if ours:
        raise _invalid(field, "is one of our own deposit addresses")
    return canonical


def _invalid(field: str, problem: str) -> ApiError:
    return ApiError(Code.INVALID_DESTINATION, f"{field}: {problem}")
