"""Tron's money in, approvals, and the signer beside the watcher, round by round, on the double of a node."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec

from app.core import clock, database
from app.core.database import Row
from app.core.money import format_amount
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.ledger import repository as ledger_repository
from app.ledger.hashchain import ChainId
from app.ledger.service import TREASURY
from app.merchants.terms import Terms
from app.networks.tron.addresses import ACCOUNT_PATH
from app.payouts.service import NewPayout
from app.refunds.service import NewRefund
from app.sandbox.tron_double.state import SOLID_BEHIND
from app.sandbox.tron_driver import TronDriver
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.signing import Signer
from app.signer.start import signers_of
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.presentation import PayoutBody, RefundBody
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.factories.operators import Operator, operator
from tests.factories.tron import somebody, tron_networks_toml
from tests.invariants import assert_invariants

NETWORK = "tron:test"
EXPIRES_AFTER_S = 60
SOLID = SOLID_BEHIND + 1
"""Blocks until what is in the first of them is final."""


def write_tron_networks(
    path: Path, urls: Sequence[str], genesis: str, usdt: str, keys: SpendingKeys, **options: Any
) -> None:
    """A networks file with `tron:test` at these nodes, with USDT at a contract, TRX, and a hot wallet of the keys."""
    fields = {"hot_wallet_address": keys.tron_hot_wallet_address, "expires_after_s": EXPIRES_AFTER_S, **options}
    path.write_text(tron_networks_toml(urls, usdt, genesis, xpub=keys.account(ACCOUNT_PATH).xpub, **fields))


@dataclass
class TronUnderTest:
    """One merchant, one operator, the watcher and the signer of this process, on `tron:test`."""

    services: Services
    driver: TronDriver
    usdt: str
    keys: SpendingKeys
    watcher: Watcher
    signer: Signer
    terms: Terms
    operator: Operator
    made: int = 0

    @classmethod
    async def open(cls, services: Services, driver: TronDriver, usdt: str, keys: SpendingKeys) -> Self:
        (watcher,) = services.watchers()
        (signer,) = signers_of(services.networks, services.withdrawals, keys, CrashPoints(is_production=False, env={}))
        await watcher.tick()
        boss = await operator(services.settings.data_keys)
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, "USDT", "TRX", network=NETWORK)
        return cls(services, driver, usdt, keys, watcher, signer, Terms(merchant_id, "test", 0, "merchant"), boss)

    @property
    def hot(self) -> str:
        return self.keys.tron_hot_wallet_address

    def new_signer(self) -> Signer:
        """A signer like that of a new process, without memory."""
        (signer,) = signers_of(
            self.services.networks, self.services.withdrawals, self.keys, CrashPoints(is_production=False, env={})
        )
        return signer

    # Money in.

    async def send(self, asset: str, to: str, amount_raw: int) -> str:
        """A customer's payment, in no block yet."""
        return await self.driver.pay(to, amount_raw, contract=self.usdt if asset == "USDT" else None)

    async def receive(self, asset: str, amount_raw: int) -> AskedInvoice:
        """A customer pays an invoice; not final yet."""
        made = await invoice(
            self.services, self.terms, amount=format_amount(amount_raw, 6), currency=asset, chain="tron"
        )
        await self.send(asset, made.pay_in.address, int(made.pay_in.amount_raw))
        return made

    async def reread(self, made: AskedInvoice) -> AskedInvoice:
        return await reread(self.services, made)

    async def blocks(self, count: int = 1, *, empty: bool = False) -> None:
        """Mine this many blocks, at the present at the earliest, and run the watcher. Our clock keeps up with them."""
        state = await self.driver.state()
        now_ms = int(clock.now().timestamp() * 1000)
        if now_ms > state["time_ms"]:
            await self.driver.double("clock", next_ms=now_ms)
        await self.driver.mine(count, empty=empty)
        state = await self.driver.state()
        ahead = datetime.fromtimestamp(state["time_ms"] / 1000, UTC) - clock.now()
        clock.shift(max(ahead, timedelta()))
        await self.watcher.tick()

    async def expire(self) -> None:
        """Let the time of what is signed pass, so that it is in no block, and a later block be final."""
        await self.driver.double("drop")
        clock.shift(timedelta(seconds=EXPIRES_AFTER_S + 1))
        await self.blocks(SOLID)

    # Money out.

    async def requested(self, amount_raw: int, asset: str = "USDT", destination: str | None = None) -> PayoutBody:
        """Request a payout, to a new address unless one is given."""
        self.made += 1
        new = NewPayout(
            amount=format_amount(amount_raw, 6),
            asset=asset,
            chain="tron",
            destination=destination or somebody(self.made),
            requested_by="api_key:k",
        )
        body = await self.services.payouts.create(self.terms.merchant_id, "test", new, None, clock.now())
        return msgspec.json.decode(body, type=PayoutBody)

    async def approved(self, amount_raw: int, asset: str = "USDT", destination: str | None = None) -> PayoutBody:
        """Request a payout and approve it: the clock moves by half a minute."""
        requested = await self.requested(amount_raw, asset, destination)
        await self.approve(requested.id)
        return requested

    async def approved_refund(self, made: AskedInvoice, amount_raw: int) -> RefundBody:
        """Request a refund of a part of an invoice, to a new address, and approve it."""
        self.made += 1
        new = NewRefund(
            amount=format_amount(amount_raw, 6), refund_address=somebody(self.made), requested_by="api_key:k"
        )
        body = await self.services.refunds.create(self.terms.merchant_id, "test", made.id, new, None, clock.now())
        requested = msgspec.json.decode(body, type=RefundBody)
        await self.approve(requested.id)
        return requested

    async def approve(self, withdrawal_id: str) -> None:
        by = self.operator
        await self.services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())

    async def until_confirmed(self, *payouts: PayoutBody, signer: Signer | None = None) -> None:
        """Run a round, make its block final, and run another one; several times if need be."""
        for _ in range(4):
            await (signer or self.signer).tick()
            if all([(await self.read(one.id)).status == "confirmed" for one in payouts]):
                return
            await self.blocks(SOLID)
        raise AssertionError(f"not confirmed: {[await self.read(one.id) for one in payouts]}")

    # What can be seen.

    async def read(self, payout_id: str) -> PayoutBody:
        """The payout as the merchant sees it."""
        found = await self.services.withdrawal_reader.payout(self.terms.merchant_id, "test", payout_id)
        assert found is not None
        return found

    async def waits_for(self, withdrawal_id: str) -> str | None:
        """Why nothing happens."""
        reason: str | None = await database.fetch_value(
            "SELECT waiting_reason FROM withdrawals WHERE id = $1", withdrawal_id
        )
        return reason

    async def attempts(self) -> list[Row]:
        """Every signed transaction, oldest first."""
        return list(await database.fetch_all("SELECT * FROM outgoing_transactions ORDER BY id"))

    async def statuses(self) -> list[str]:
        return [row["status"] for row in await self.attempts()]

    async def alerts(self) -> dict[str, str]:
        """Open alerts: severity by kind."""
        rows = await database.fetch_all("SELECT kind, severity FROM alerts WHERE acknowledged_at IS NULL")
        return {row["kind"]: row["severity"] for row in rows}

    async def balance(self, asset: str = "USDT") -> tuple[int, int]:
        """The merchant's available and locked balance."""
        return await self._balance(self.terms.merchant_id, asset)

    async def treasury_raw(self) -> int:
        """The platform's TRX, in sun."""
        return (await self._balance(TREASURY, "TRX"))[0]

    async def _balance(self, owner: str, asset: str) -> tuple[int, int]:
        head = await ledger_repository.head(ChainId(owner=owner, network=NETWORK, asset=asset))
        return (0, 0) if head is None else (head.state.available_raw, head.state.locked_raw)

    async def arrived_raw(self, address: str, asset: str = "USDT") -> int:
        """What an address, from which nothing is ever sent, has received in blocks."""
        return await self.driver.balance_of(address, self.usdt if asset == "USDT" else None)

    async def assert_paid_once(self, *payouts: PayoutBody) -> None:
        """Each payout is confirmed and has arrived once; the books agree with the chain."""
        for one in payouts:
            assert (await self.read(one.id)).status == "confirmed"
        for destination, asset in {(one.destination, one.asset) for one in payouts}:
            wanted = sum(int(one.amount_raw) for one in payouts if one.destination == destination)
            assert await self.arrived_raw(destination, asset) == wanted
        await self.check()

    async def check(self) -> None:
        """Check I1 to I7, the chain included."""
        await self.watcher.tick()
        while await sequencer.number_events(fan_out_with(self.services.settings.data_keys)):
            continue
        await assert_invariants(self.services)
