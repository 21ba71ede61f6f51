"""The check of an address that money is to be sent to (contract, section 4)."""

from app.core.errors import ApiError, Code
from app.core.money import format_amount
from app.networks.config import Asset, NetworkConfig
from app.networks.recognition import mismatch
from app.withdrawals import checks_repository as repository
from app.withdrawals.repository import Kind


async def check(network: NetworkConfig, address: str, memo: str | None, *, field: str, what: Kind = "payout") -> str:
    """The canonical form of a destination; `field` is what the caller's body calls it, `what` goes there.

    Raises INVALID_DESTINATION where it is no address of the network (one of another network is named as such) or has a
    wrong checksum, for the zero address, for the contract of a configured token, for our hot wallet and for our own
    addresses, and for any address of a network that can send nothing; MEMO_NOT_ALLOWED for any memo: no network kind
    that we support has memos.
    """
    if memo is not None:
        raise ApiError(Code.MEMO_NOT_ALLOWED, f"{field}_memo: {network.chain} has no memos")
    if not network.sends:
        raise _invalid(field, f"nothing can be sent on {network.chain}: it has no hot wallet")
    try:
        canonical = network.normalise_address(address)
    except ValueError as error:
        raise _invalid(field, mismatch(address, network, what) or str(error)) from None
    if network.is_void(canonical):
        raise _invalid(field, "is the zero address: what is sent there is lost")
    if canonical == network.hot_wallet_address:
        raise _invalid(field, "is our own hot wallet")
    if any(canonical == asset.contract for asset in network.assets):
        raise _invalid(field, "is a token's contract: what is sent there is lost")
    if await repository.is_deposit_address(network.key, canonical):
        raise _invalid(field, "is one of our own deposit addresses")
    if await repository.is_change_address(network.key, canonical):
        raise _invalid(field, "is one of our own addresses")
    return canonical


def refuse_dust(network: NetworkConfig, asset: Asset, amount_raw: int, destination: str) -> None:
    """Raise AMOUNT_TOO_SMALL where nodes would not relay so little to an address, given in canonical form."""
    least_raw = network.least_payment_raw(destination)
    if amount_raw < least_raw:
        least = format_amount(least_raw, asset.decimals)
        raise ApiError(
            Code.AMOUNT_TOO_SMALL,
            f"amount: {network.display_name} carries no payment of less than {least} {asset.symbol} to this address",
        )


def _invalid(field: str, problem: str) -> ApiError:
    return ApiError(Code.INVALID_DESTINATION, f"{field}: {problem}")
