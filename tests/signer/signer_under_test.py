"""Money in, approvals, and the signer beside the watcher, round by round, on a real chain."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from eth_utils.address import to_checksum_address

from app.core import clock, database, ids
from app.core.database import Row
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.ledger.service import TREASURY
from app.merchants.terms import Terms
from app.networks.evm.wire import TRANSFER_TOPIC
from app.payouts.service import NewPayout
from app.sandbox.chain_driver import AnvilDriver
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.signing import Signer
from app.signer.start import signers_of
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.presentation import PayoutBody
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms
from tests.factories.operators import Operator, operator
from tests.factories.payments import CONFIRMATIONS
from tests.factories.withdrawals import balance
from tests.invariants import assert_invariants

NETWORK = "ethereum:test"


@dataclass
class SignerUnderTest:
    """One merchant, one operator, the watcher and the signer of this process."""

    services: Services
    driver: AnvilDriver
    token: str
    keys: SpendingKeys
    watcher: Watcher
    signer: Signer
    terms: Terms
    operator: Operator

    @classmethod
    async def open(cls, services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys) -> Self:
        (watcher,) = services.watchers()
        (signer,) = signers_of(services.networks, services.withdrawals, keys, CrashPoints(is_production=False, env={}))
        await watcher.tick()
        boss = await operator(services.settings.data_keys)
        return cls(services, driver, token, keys, watcher, signer, await terms(service_fee_bps=0), boss)

    @property
    def hot(self) -> str:
        return self.keys.hot_wallet_address

    @property
    def merchant_id(self) -> str:
        return self.terms.merchant_id

    def new_signer(self) -> Signer:
        """A signer like that of a new process, without memory."""
        (signer,) = signers_of(
            self.services.networks, self.services.withdrawals, self.keys, CrashPoints(is_production=False, env={})
        )
        return signer

    async def receive_payment(self, asset: str, amount: str) -> AskedInvoice:
        """A customer pays an invoice; not confirmed yet."""
        new = await invoice(self.services, self.terms, amount=amount, currency=asset)
        await self.send(asset, new.pay_in.address, int(new.pay_in.amount_raw))
        return new

    async def top_up(self, asset: str, amount_raw: int) -> None:
        """The operator sends something to the hot wallet; not confirmed yet."""
        await self.send(asset, self.hot, amount_raw)

    async def send(self, asset: str, to: str, amount_raw: int) -> None:
        if asset == "ETH":
            await self.driver.transfer_native(to, amount_raw)
        else:
            await self.driver.transfer_token(self.token, to, amount_raw)

    async def confirm_blocks(self, blocks: int = CONFIRMATIONS) -> None:
        """Mine this many blocks, and run the watcher."""
        await self.driver.mine(blocks)
        await self.watcher.tick()

    async def request_payout(self, amount: str, asset: str = "USDT", destination: str | None = None) -> PayoutBody:
        """Request a payout for the merchant, to a new address unless one is given."""
        new = NewPayout(
            amount=amount,
            asset=asset,
            chain="ethereum",
            destination=destination or new_address(),
            requested_by="api_key:k",
        )
        body = await self.services.payouts.create(self.merchant_id, "test", new, None, clock.now())
        return msgspec.json.decode(body, type=PayoutBody)

    async def approve(self, withdrawal_id: str, by: Operator | None = None) -> None:
        """Approve with a new code: the clock moves by half a minute."""
        by = by or self.operator
        await self.services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())

    async def approved(self, amount: str, asset: str = "USDT", destination: str | None = None) -> PayoutBody:
        """Request a payout and approve it."""
        requested = await self.request_payout(amount, asset, destination)
        await self.approve(requested.id)
        return requested

    async def approved_by_two(self, amount: str) -> PayoutBody:
        """The same by two operators, above the threshold for one."""
        requested = await self.approved(amount)
        second = await operator(self.services.settings.data_keys, f"{requested.id.lower()}@example.test")
        await self.approve(requested.id, second)
        return requested

    async def rounds(self, count: int = 1, *, blocks: int = 0) -> None:
        """Run rounds of the signer, each followed by this many blocks and a run of the watcher."""
        for _ in range(count):
            await self.signer.tick()
            if blocks:
                await self.driver.mine(blocks)
            await self.watcher.tick()

    async def until_confirmed(self, withdrawal_id: str) -> PayoutBody:
        """Run rounds with blocks until it is confirmed."""
        for _ in range(20):
            if (now := await self.read(withdrawal_id)).status == "confirmed":
                return now
            await self.rounds(blocks=1)
        raise AssertionError(f"not confirmed: {now}")

    async def until_stable(self, withdrawal_id: str) -> None:
        """Run rounds with blocks until its transaction is final, also after a deep reorganisation."""
        for _ in range(20):
            await self.rounds(blocks=1)
            if all(row["status"] not in ("signed", "submitted") for row in await self.transactions(withdrawal_id)):
                return
        raise AssertionError(f"{withdrawal_id} is still under way")

    async def read(self, withdrawal_id: str) -> PayoutBody:
        """The payout as the merchant sees it."""
        found = await self.services.withdrawal_reader.payout(self.merchant_id, "test", withdrawal_id)
        assert found is not None
        return found

    async def transactions(self, withdrawal_id: str | None = None, purpose: str = "withdrawal") -> list[Row]:
        """The signed transactions with their payments and forms, oldest first."""
        return list(
            await database.fetch_all(
                """
                SELECT t.*, p.withdrawal, p.to_address, p.asset, p.amount_raw,
                    f.gas_limit, f.max_fee_raw, f.priority_fee_raw, f.data_fee_raw
                FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
                CROSS JOIN LATERAL jsonb_to_record(t.form::jsonb) AS f (gas_limit numeric, max_fee_raw numeric,
                    priority_fee_raw numeric, data_fee_raw numeric)
                WHERE t.purpose = $1 AND ($2::text IS NULL OR p.withdrawal = $2) ORDER BY t.id
                """,
                purpose,
                withdrawal_id,
            )
        )

    async def sent_to(self, address: str, asset: str = "USDT") -> list[int]:
        """The amounts of all transfers on chain to an address, in minor units."""
        if asset == "ETH":
            held = await self.driver.balance_of(address)
            return [held] if held else []
        logs: list[dict[str, Any]] = await self.driver.call(
            "eth_getLogs",
            {
                "fromBlock": "0x0",
                "address": self.token,
                "topics": [TRANSFER_TOPIC, None, "0x" + address[2:].lower().rjust(64, "0")],
            },
        )
        return [int(log["data"], 16) for log in logs]

    async def alerts(self) -> dict[str, str]:
        """Open alerts: severity by kind."""
        rows = await database.fetch_all("SELECT kind, severity FROM alerts WHERE acknowledged_at IS NULL")
        return {row["kind"]: row["severity"] for row in rows}

    async def balance(self, asset: str = "USDT") -> tuple[int, int]:
        """The merchant's available and locked balance, in minor units."""
        return await balance(self.merchant_id, asset)

    async def treasury_raw(self, asset: str) -> int:
        """The balance of the platform's treasury, in minor units."""
        available_raw, _ = await balance(TREASURY, asset)
        return available_raw

    async def check(self) -> None:
        """Check I1 to I7, the chain included."""
        await self.watcher.tick()
        await sequencer.number_events(fan_out_with(self.services.settings.data_keys))
        await assert_invariants(self.services)


def new_address() -> str:
    """A new address, which nobody has paid before."""
    return str(to_checksum_address(ids.random_bytes(20)))


async def wait_for(what: str, look: Any, timeout_s: float = 60) -> Any:
    """Wait until `look()` returns a true value."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):
            await asyncio.sleep(0.1)
    return found
