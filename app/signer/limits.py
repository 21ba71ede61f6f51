"""The signer's own limits: what it pays in one transaction and within 24 hours, whatever the database says.

The limits come from its configuration. The amount that it has signed within the day comes from the database and,
in case that was edited, from its own memory: the larger figure counts.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.networks.config import NetworkConfig
from app.signer import repository
from app.signer.policy import Payable
from app.signer.refusal import Refused
from app.withdrawals.digest import Intent

DAY = timedelta(hours=24)


class SignerLimits:
    """The limits of one network. What was signed is remembered as long as the signer's process lives."""

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network
        self._signed: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)

    async def check(self, payables: Sequence[Payable], now: datetime) -> None:
        """Raise Refused where these payments are together above a limit of a day, or one of them is above that of one
        payment. Before signing, the caller locks what the transaction claims, so that two signers can't both use the
        remainder of a day's limit."""
        together: defaultdict[str, int] = defaultdict(int)
        for payable in payables:
            intent = payable.intent
            asset = self._network.asset(intent.asset)
            if asset is None:
                raise Refused("unknown_asset", f"{intent.asset} is not an asset of {self._network.key}", held=True)
            if asset.transaction_ceiling_raw is not None and intent.amount_raw > asset.transaction_ceiling_raw:
                raise Refused("ceiling", "the amount is above the signer's ceiling for one transaction", held=True)
            together[intent.asset] += intent.amount_raw
        for symbol, amount_raw in together.items():
            asset = self._network.asset(symbol)
            if asset is None or asset.day_ceiling_raw is None:
                continue
            spent_raw = max(
                await repository.signed_within_raw(self._network.key, symbol, DAY, now),
                self._remembered_raw(symbol, now),
            )
            if spent_raw + amount_raw > asset.day_ceiling_raw:
                raise Refused("day_ceiling", "the signer's ceiling for 24 hours is reached", held=False)

    def remember(self, intent: Intent, now: datetime) -> None:
        """Count a payment that was signed and stored."""
        self._signed[intent.asset].append((now, intent.amount_raw))

    def _remembered_raw(self, asset: str, now: datetime) -> int:
        signed = self._signed[asset]
        while signed and signed[0][0] <= now - DAY:
            signed.popleft()
        return sum(amount_raw for _, amount_raw in signed)
