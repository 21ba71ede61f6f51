"""What tokens' issuers allow, asked before money of ours moves: the same for every kind of chain with accounts.

An issuer may stop all transfers, stop what one address holds, or take a part of each transfer. None of that is in the
balances. A payment that it would change waits or is refused; a deposit address that is stopped is a case of its own
(`frozen_addresses`), looked at again once a day, so that no sweep of it is tried meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from app.alerts.service import Severity, raise_alert
from app.core import clock, database
from app.core.logging import get_logger
from app.networks.config import NetworkConfig
from app.networks.port import TokenState
from app.networks.sending import Sender
from app.signer import frozen_repository
from app.signer.funds import NotNow
from app.signer.refusal import Refused
from app.withdrawals.digest import Intent

log = get_logger(__name__)

STOPPED_FOR = timedelta(minutes=1)
"""How long a token that can't be moved is not asked about again: a round comes every second."""

LOOK_AGAIN_IN = timedelta(days=1)
"""When a frozen address is looked at again."""

LOOK_AT_ONCE = 100
"""Frozen addresses that are looked at in one round."""

NOTHING = TokenState()


class HoldingSender(Sender, Protocol):
    """The sending side of a chain with accounts, as far as it is needed here."""

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str) -> dict[str, int]:
        """What each address holds of an asset now, in minor units."""
        ...


class TokenRules:
    """The rules for one network's tokens. `hot_address` is the account that withdrawals are paid from."""

    def __init__(self, network: NetworkConfig, sender: HoldingSender, hot_address: str) -> None:
        self._network = network
        self._sender = sender
        self._hot = hot_address
        self._stopped: dict[str, tuple[str, datetime]] = {}  # by asset: why it can't be moved, and until when it counts
        self._alerted: set[str] = set()

    async def state(self, symbol: str, addresses: Sequence[str]) -> TokenState:
        """What the issuer of an asset allows now; everything where the asset is the coin. Raises NetworkError."""
        asset = self._network.asset(symbol)
        if asset is None or asset.contract is None:
            return NOTHING
        return await self._sender.token_state(symbol, addresses)

    async def check_payment(self, intent: Intent) -> None:
        """Return if the hot wallet's payment would arrive as it was approved. Raises NotNow, Refused, NetworkError."""
        if (reason := self._known_stop(intent.asset)) is not None:
            raise NotNow(reason, is_short=False)
        state = await self.state(intent.asset, [self._hot, intent.destination])
        if (reason := await self._stop(intent.asset, state)) is not None:
            raise NotNow(reason, is_short=False)
        if intent.destination in state.frozen:
            raise Refused(
                "frozen_destination",
                f"the issuer of {intent.asset} has frozen the destination",
                held=True,
                severity="warning",
            )

    async def may_sweep(self, symbol: str, address: str, held_raw: int) -> bool:
        """Whether a deposit address may be swept to the hot wallet now. A frozen one becomes a case, with an alert.
        Raises NetworkError."""
        if self._known_stop(symbol) is not None:
            return False
        state = await self.state(symbol, [self._hot, address])
        if address in state.frozen:
            await self._open_case(symbol, address, held_raw)
        return await self._stop(symbol, state) is None and address not in state.frozen

    async def look_at_frozen(self) -> None:
        """Look at the frozen addresses that were not looked at for a day. Those that the issuer has let go are swept
        again. Raises NetworkError."""
        now, key = clock.now(), self._network.key
        cases = await frozen_repository.due(key, now - LOOK_AGAIN_IN, LOOK_AT_ONCE)
        for symbol in sorted({case.asset for case in cases}):
            some = [case for case in cases if case.asset == symbol]
            if self._network.asset(symbol) is None:  # the networks file no longer has it
                continue
            addresses = [case.address for case in some]
            frozen = (await self.state(symbol, addresses)).frozen
            held_raw = await self._sender.balances_raw(addresses, symbol)
            for case in some:
                if case.address in frozen:
                    await frozen_repository.checked(case.id, held_raw[case.address], now)
            free = [case for case in some if case.address not in frozen]
            async with database.transaction():
                await frozen_repository.end([case.id for case in free], now)
            for case in free:
                log.info("address_released", network=key, asset=symbol, address=case.address)

    def _known_stop(self, symbol: str) -> str | None:
        """Why an asset can't be moved, if that was found a short while ago."""
        reason, until = self._stopped.get(symbol, ("", None))
        return reason if until is not None and clock.now() < until else None

    async def _stop(self, symbol: str, state: TokenState) -> str | None:
        """Why nothing of an asset can be moved from or to the hot wallet, with an alert where that begins."""
        found: dict[str, tuple[str, Severity]] = {}
        if state.is_paused:
            found["token_paused"] = f"{symbol} is paused by its issuer", "warning"
        if self._hot in state.frozen:
            found["wallet_frozen"] = f"the issuer of {symbol} has frozen the hot wallet", "critical"
        if state.fee_bps:
            found["token_fee"] = f"{symbol} keeps a fee of each transfer now: less would arrive", "warning"
        for kind in ("token_paused", "wallet_frozen", "token_fee"):
            if kind not in found:
                self._alerted.discard(f"{kind}:{symbol}")
                continue
            reason, severity = found[kind]
            await self._alert_once(kind, symbol, reason, severity)
        if not found:
            self._stopped.pop(symbol, None)
            return None
        reason, _ = next(iter(found.values()))
        self._stopped[symbol] = reason, clock.now() + STOPPED_FOR
        return reason

    async def _alert_once(self, kind: str, symbol: str, reason: str, severity: Severity) -> None:
        if f"{kind}:{symbol}" in self._alerted:
            return
        self._alerted.add(f"{kind}:{symbol}")
        await raise_alert(
            severity=severity,
            kind=kind,
            dedupe_key=f"{kind}:{self._network.key}:{symbol}",
            message=f"{self._network.key}: {reason}",
            details={"network": self._network.key, "asset": symbol},
            now=clock.now(),
        )

    async def _open_case(self, symbol: str, address: str, held_raw: int) -> None:
        now, key = clock.now(), self._network.key
        async with database.transaction():
            if not await frozen_repository.open_case(key, symbol, address, held_raw, now):
                return
            await raise_alert(
                severity="critical",
                kind="deposit_address_frozen",
                dedupe_key=f"deposit_address_frozen:{key}:{symbol}:{address}",
                message=f"{key}: the issuer of {symbol} has frozen a deposit address; what it holds can't be swept",
                details={"network": key, "asset": symbol, "amount_raw": str(held_raw), "address": address},
                now=now,
            )
