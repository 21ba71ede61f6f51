"""Bitcoins in, approvals, and the signer beside the watcher, round by round, on a real node."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import msgspec
from embit import bip32, script
from embit.networks import NETWORKS

from app.core import clock, database
from app.core.database import Row
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.ledger import repository as ledger_repository
from app.ledger.hashchain import ChainId
from app.ledger.service import TREASURY
from app.merchants.terms import Terms
from app.payouts.service import NewPayout
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.kinds import signer_of
from app.signer.signing import Signer
from app.signer.start import signers_of
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.presentation import PayoutBody
from tests.factories.bitcoin import NETWORK
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import merchant, takes
from tests.factories.operators import Operator, operator
from tests.factories.tampering import as_superuser
from tests.fakes.bitcoin_proxy import BitcoinProxy
from tests.invariants import assert_invariants

ACCOUNT_PATH = "m/84'/1'/0'"
CONFIRMATIONS = 3
BUMP_AFTER_S = 1_800


@dataclass
class BitcoinUnderTest:
    """One merchant, one operator, the watcher and the signer of this process, on `bitcoin:test`."""

    services: Services
    node: BitcoinDriver
    proxy: BitcoinProxy
    keys: SpendingKeys
    watcher: Watcher
    signer: Signer
    terms: Terms
    operator: Operator

    @classmethod
    async def open(cls, services: Services, node: BitcoinDriver, proxy: BitcoinProxy, keys: SpendingKeys) -> Self:
        (watcher,) = services.watchers()
        (signer,) = signers_of(services.networks, services.withdrawals, keys, CrashPoints(is_production=False, env={}))
        await watcher.tick()
        boss = await operator(services.settings.data_keys)
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, "BTC", network=NETWORK)
        terms = Terms(merchant_id, "test", 0, "merchant")
        return cls(services, node, proxy, keys, watcher, signer, terms, boss)

    @property
    def hot(self) -> str:
        address = self.services.networks.get(NETWORK).hot_wallet_address
        assert address is not None
        return address

    def new_signer(self, crash: CrashPoints | None = None) -> Signer:
        """A signer like that of a new process, without memory."""
        network = self.services.networks.get(NETWORK)
        crash = crash or CrashPoints(is_production=False, env={})
        sender = self.services.networks.sender(NETWORK)
        return signer_of(network, sender, self.keys, self.services.withdrawals, crash, None)

    async def receive(self, *amounts: str) -> list[AskedInvoice]:
        """Customers pay an invoice of each amount, and it is credited: a coin each."""
        paid = []
        for amount in amounts:
            new = await invoice(self.services, self.terms, amount=amount, currency="BTC", chain="bitcoin")
            await self.node.pay(new.pay_in.address, int(new.pay_in.amount_raw), fee_rate=5)
            paid.append(new)
        await self.confirm_blocks()
        return paid

    async def top_up(self, amount_raw: int) -> None:
        """The operator sends something to the hot wallet, and it is booked."""
        await self.node.pay(self.hot, amount_raw, fee_rate=5)
        await self.confirm_blocks()

    async def confirm_blocks(self, blocks: int = CONFIRMATIONS) -> None:
        """Mine this many blocks, and run the watcher."""
        await self.node.mine(blocks)
        await self.watcher.tick()

    async def request_payout(self, amount: str, destination: str | None = None) -> PayoutBody:
        """Request a payout for the merchant, to a new address of the customer's wallet unless one is given."""
        new = NewPayout(
            amount=amount,
            asset="BTC",
            chain="bitcoin",
            destination=destination or await self.node.address(),
            requested_by="api_key:k",
        )
        body = await self.services.payouts.create(self.terms.merchant_id, "test", new, None, clock.now())
        return msgspec.json.decode(body, type=PayoutBody)

    async def approve(self, withdrawal_id: str, by: Operator | None = None) -> None:
        """Approve with a new code: the clock moves by half a minute."""
        by = by or self.operator
        await self.services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())

    async def approved(self, *amounts: str) -> list[PayoutBody]:
        """Request payouts and approve them, in this order; the window for a batch has passed."""
        requested = [await self.request_payout(amount) for amount in amounts]
        for one in requested:
            await self.approve(one.id)
        clock.shift(timedelta(seconds=31))
        return requested

    async def rounds(self, count: int = 1, *, blocks: int = 0, signer: Signer | None = None) -> None:
        """Run rounds of the signer, each followed by this many blocks and a run of the watcher."""
        for _ in range(count):
            await (signer or self.signer).tick()
            if blocks:
                await self.node.mine(blocks)
            await self.watcher.tick()

    async def until_confirmed(self, payouts: Sequence[PayoutBody], signer: Signer | None = None) -> None:
        """Run rounds with blocks until all are confirmed."""
        for _ in range(12):
            if set(await self.statuses(payouts)) == {"confirmed"}:
                return
            await self.rounds(blocks=1, signer=signer)
        raise AssertionError(f"not confirmed: {await self.statuses(payouts)}")

    async def wait_for_bump(self, *, signer: Signer | None = None) -> None:
        """Let the time pass after which a fee is raised, and run a round."""
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await self.rounds(signer=signer)

    async def read(self, withdrawal_id: str) -> PayoutBody:
        """The payout as the merchant sees it."""
        found = await self.services.withdrawal_reader.payout(self.terms.merchant_id, "test", withdrawal_id)
        assert found is not None
        return found

    async def statuses(self, payouts: Sequence[PayoutBody]) -> list[str]:
        """Their states, in their order."""
        return [(await self.read(one.id)).status for one in payouts]

    async def reasons(self, payouts: Sequence[PayoutBody]) -> list[str | None]:
        """Why each waits, in their order."""
        return [(await self.read(one.id)).waiting_reason for one in payouts]

    async def attempts(self) -> list[dict[str, Any]]:
        """Every transaction of ours, oldest first."""
        return [dict(row) for row in await database.fetch_all("SELECT * FROM outgoing_transactions ORDER BY id")]

    async def coins(self) -> list[Row]:
        """Our coins that no block spends, the largest first."""
        return list(
            await database.fetch_all("SELECT * FROM coins WHERE spent_by IS NULL ORDER BY amount_raw DESC, txid")
        )

    async def decoded(self, raw: bytes) -> Any:
        """What the node reads in signed bytes."""
        return await self.node.call("decoderawtransaction", raw.hex())

    async def received_raw(self, address: str) -> int:
        """What blocks have paid to an address of the customer's wallet, in satoshi."""
        return int(await self.node.call("getreceivedbyaddress", address, 1) * 10**8)

    async def alerts(self) -> dict[str, str]:
        """Open alerts: severity by kind."""
        rows = await database.fetch_all("SELECT kind, severity FROM alerts WHERE acknowledged_at IS NULL")
        return {row["kind"]: row["severity"] for row in rows}

    async def balance(self, owner: str | None = None) -> tuple[int, int]:
        """Available and locked balance of a ledger, the merchant's unless another is named, in satoshi."""
        chain = ChainId(owner=owner or self.terms.merchant_id, network=NETWORK, asset="BTC")
        head = await ledger_repository.head(chain)
        return (0, 0) if head is None else (head.state.available_raw, head.state.locked_raw)

    async def treasury_raw(self) -> int:
        """The balance of the platform's treasury, in satoshi."""
        return (await self.balance(TREASURY))[0]

    async def assert_paid_once(self, payouts: Sequence[PayoutBody]) -> None:
        """Each payout is confirmed and on chain once; any two attempts at it exclude each other; the books agree."""
        assert await self.statuses(payouts) == ["confirmed"] * len(payouts)
        assert [await self.received_raw(one.destination) for one in payouts] == [int(p.amount_raw) for p in payouts]
        apart = await database.fetch_value(
            """
            SELECT count(*) FROM outgoing_payments a JOIN outgoing_payments b
                ON b.withdrawal = a.withdrawal AND b.transaction > a.transaction
            WHERE NOT EXISTS (SELECT 1 FROM outgoing_claims c JOIN outgoing_claims d USING (network, claim)
                WHERE c.transaction = a.transaction AND d.transaction = b.transaction)
            """
        )
        assert apart == 0
        await self.check()

    async def check(self) -> None:
        """Check I1 to I7, the chain included."""
        await self.watcher.tick()
        await sequencer.number_events(fan_out_with(self.services.settings.data_keys))
        await assert_invariants(self.services)


async def forget(transaction: int) -> None:
    """Make the books those of before a transaction was signed."""
    await as_superuser(
        f"DELETE FROM coins WHERE txid = (SELECT txid FROM outgoing_transactions WHERE id = {transaction})",
        f"DELETE FROM outgoing_claims WHERE transaction = {transaction}",
        f"DELETE FROM outgoing_payments WHERE transaction = {transaction}",
        f"DELETE FROM outgoing_transactions WHERE id = {transaction}",
        "UPDATE withdrawals SET status = 'approved', submitted_at = NULL",
    )


def account_address(xpub: str, branch: int, index: int) -> str:
    """An address of an account in regtest, by embit alone."""
    key = bip32.HDKey.from_base58(xpub).derive([branch, index])
    return str(script.p2wpkh(key).address(NETWORKS["regtest"]))
