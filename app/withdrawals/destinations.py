"""The check of an address that money is to be sent to (contract, section 4)."""

from enum import StrEnum

from app.core.errors import ApiError, Code
from app.core.money import format_amount
from app.networks.config import Asset, NetworkConfig
from app.networks.recognition import mismatch
from app.withdrawals import checks_repository as repository
from app.withdrawals.repository import Kind


class Problem(StrEnum):
    """What is wrong with a destination, for pages that say it in the reader's language."""

    MALFORMED = "malformed"
    OTHER_NETWORK = "other_network"
    UNUSABLE = "unusable"
    """The zero address or a token's contract: what is sent there is lost."""
    OURS = "ours"
    TOO_SMALL = "too_small"
    """Nodes would not relay so little to it."""
    CANNOT_SEND = "cannot_send"
    """Nothing can be sent on this network."""
    MEMO = "memo"


class DestinationRefused(ApiError):
    """INVALID_DESTINATION, MEMO_NOT_ALLOWED or AMOUNT_TOO_SMALL, and which of the problems it is."""

    def __init__(self, problem: Problem, message: str, code: Code = Code.INVALID_DESTINATION) -> None:
        super().__init__(code, message)
        self.problem = problem


async def check(network: NetworkConfig, address: str, memo: str | None, *, field: str, what: Kind = "payout") -> str:
    """The canonical form of a destination; `field` is what the caller's body calls it, `what` goes there.

    Raises DestinationRefused. INVALID_DESTINATION where it is no address of the network (one of another network is
    named as such) or has a wrong checksum, for the zero address, for the contract of a configured token, for our hot
    wallet and for our own addresses, and for any address of a network that can send nothing; MEMO_NOT_ALLOWED for any
    memo: no network kind that we support has memos.
    """
    if memo is not None:
        raise DestinationRefused(Problem.MEMO, f"{field}_memo: {network.chain} has no memos", Code.MEMO_NOT_ALLOWED)
    if not network.sends:
        no_wallet = f"{field}: nothing can be sent on {network.chain}: it has no hot wallet"
        raise DestinationRefused(Problem.CANNOT_SEND, no_wallet)
    try:
        canonical = network.normalise_address(address)
    except ValueError as error:
        other = mismatch(address, network, what)
        problem = Problem.OTHER_NETWORK if other else Problem.MALFORMED
        raise DestinationRefused(problem, f"{field}: {other or error}") from None
    if network.is_void(canonical):
        raise DestinationRefused(Problem.UNUSABLE, f"{field}: is the zero address: what is sent there is lost")
    if canonical == network.hot_wallet_address:
        raise DestinationRefused(Problem.OURS, f"{field}: is our own hot wallet")
    if any(canonical == asset.contract for asset in network.assets):
        raise DestinationRefused(Problem.UNUSABLE, f"{field}: is a token's contract: what is sent there is lost")
    if await repository.is_deposit_address(network.key, canonical):
        raise DestinationRefused(Problem.OURS, f"{field}: is one of our own deposit addresses")
    if await repository.is_change_address(network.key, canonical):
        raise DestinationRefused(Problem.OURS, f"{field}: is one of our own addresses")
    return canonical


def refuse_dust(network: NetworkConfig, asset: Asset, amount_raw: int, destination: str) -> None:
    """Raise DestinationRefused (AMOUNT_TOO_SMALL) where nodes would not relay so little to an address, given in
    canonical form."""
    least_raw = network.least_payment_raw(destination)
    if amount_raw < least_raw:
        least = format_amount(least_raw, asset.decimals)
        raise DestinationRefused(
            Problem.TOO_SMALL,
            f"amount: {network.display_name} carries no payment of less than {least} {asset.symbol} to this address",
            Code.AMOUNT_TOO_SMALL,
        )
