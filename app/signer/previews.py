"""Previews of withdrawals for the operators who decide on them: written by the signer, since pages call no node."""

from datetime import datetime, timedelta

from app.core import clock
from app.core.logging import get_logger
from app.core.money import format_amount
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError, TokenState
from app.signer import previews_repository
from app.signer.funds import Funds, Preview
from app.signer.policy import has_destination
from app.signer.previews_repository import ToPreview
from app.withdrawals.digest import Intent

log = get_logger(__name__)

RENEWED_AFTER = timedelta(minutes=10)

NEW_AT_ONCE = 5
"""First previews in one round: payouts that wait for a signature must not wait for those."""

RENEW_EVERY = timedelta(seconds=10)
"""How often one preview is renewed: nodes of providers count requests, and hundreds of payouts may wait for days."""

SHOWN_DIGITS = 3
"""Digits of a cost that isn't exact anyway."""


class Previews:
    """Writes the previews of one network's withdrawals."""

    def __init__(self, network: NetworkConfig, funds: Funds) -> None:
        self._network = network
        self._funds = funds
        self._renewed_at: datetime | None = None

    async def run(self) -> None:
        """One round: the previews that are missing, and one that is old. A node's failure leaves the rest for later."""
        now = clock.now()
        due = await previews_repository.due(self._network.key, now - RENEWED_AFTER, NEW_AT_ONCE)
        new = [one for one in due if one.looked_at is None]
        old = [one for one in due if one.looked_at is not None]
        if self._renewed_at is not None and now - self._renewed_at < RENEW_EVERY:
            old = []
        for one in [*new, *old[:1]]:
            try:
                preview = await self._preview(one)
            except NetworkError as error:
                log.info("preview_failed", network=self._network.key, withdrawal=one.id, error=str(error))
                return
            await previews_repository.record(one.id, preview, now)
        if old:
            self._renewed_at = now

    async def _preview(self, one: ToPreview) -> Preview:
        is_known = self._network.asset(one.asset) is not None and has_destination(one.intent, self._network)
        if not one.is_whole or not is_known:
            return Preview(cost_in_words="not known: the signer will refuse it")
        return await self._funds.preview(one.intent)


def facts(
    state: TokenState,
    intent: Intent,
    cost_in_words: str,
    cost_raw: int | None,
    *,
    is_contract: bool,
    is_new_account: bool = False,
) -> Preview:
    """A preview with what the token's issuer has done."""
    return Preview(
        cost_in_words=cost_in_words,
        cost_raw=cost_raw,
        is_contract=is_contract,
        is_new_account=is_new_account,
        is_frozen=intent.destination in state.frozen,
        is_paused=state.is_paused,
        fee_bps=state.fee_bps,
    )


def about(raw: int, decimals: int) -> str:
    """The decimal form of a cost, rounded up to three digits: `0.00211`, `13.4`, `1240.00`."""
    step = 10 ** max(len(str(raw)) - SHOWN_DIGITS, 0)
    return format_amount(-(-raw // step) * step, decimals)
