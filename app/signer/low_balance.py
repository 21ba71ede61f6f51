"""The alert that a hot wallet holds little of an asset."""

from datetime import datetime

from app.alerts.service import raise_alert


class LowBalance:
    """Alerts when one network's hot wallet falls below an asset's `hot_low_raw`, and again after it has recovered."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._low: set[str] = set()

    async def check(self, asset: str, held_raw: int, low_raw: int, now: datetime) -> None:
        """Compare what is held with the limit, in minor units."""
        if held_raw >= low_raw:
            self._low.discard(asset)
        elif asset not in self._low:
            self._low.add(asset)
            await raise_alert(
                severity="warning",
                kind="hot_wallet_low",
                dedupe_key=f"hot_wallet_low:{self._network}:{asset}",
                message=f"{self._network}: the hot wallet holds little {asset}",
                details={"network": self._network, "asset": asset, "held_raw": str(held_raw)},
                now=now,
            )
