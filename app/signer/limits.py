"""The signer's own limits: what it pays in one transaction and within 24 hours, whatever the database says.

The limits come from its configuration. The amount that it has signed within the day comes from the database and,
in case that was edited, from its own memory: the larger figure counts.
"""

from collections import defaultdict, deque
from datetime import datetime, timedelta

from app.networks.config import NetworkConfig
from app.signer import repository
from app.signer.policy import Refused
from app.withdrawals.digest import Intent

DAY = timedelta(hours=24)


class SignerLimits:
    """The limits of one network. What was signed is remembered as long as the signer's process lives."""

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network
        self._signed: defaultdict[str, deque[tuple[datetime, int]]] = defaultdict(deque)

    async def check(self, intent: Intent, now: datetime) -> None:
        """Raise Refused where a payment is above a limit. Before signing, the caller locks the wallet's nonce, so that
        two signers can't both use the remainder of a day's limit."""
        asset = self._network.asset(intent.asset)
        if asset is None:
            raise Refused("unknown_asset", f"{intent.asset} is not an asset of {self._network.key}", held=True)
        if asset.transaction_ceiling_raw is not None and intent.amount_raw > asset.transaction_ceiling_raw:
            raise Refused("ceiling", "the amount is above the signer's ceiling for one transaction", held=True)
        if asset.day_ceiling_raw is not None:
            spent_raw = max(
                await repository.signed_within_raw(self._network.key, intent.asset, DAY, now),
                self._remembered_raw(intent.asset, now),
            )
            if spent_raw + intent.amount_raw > asset.day_ceiling_raw:
                raise Refused("day_ceiling", "the signer's ceiling for 24 hours is reached", held=False)

    def remember(self, intent: Intent, now: datetime) -> None:
        """Count a payment that was signed and stored."""
        self._signed[intent.asset].append((now, intent.amount_raw))

    def _remembered_raw(self, asset: str, now: datetime) -> int:
        signed = self._signed[asset]
        while signed and signed[0][0] <= now - DAY:
            signed.popleft()
        return sum(amount_raw for _, amount_raw in signed)
