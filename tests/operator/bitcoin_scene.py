"""A bitcoin network with something of everything for the desk, made through the services of production."""

from dataclasses import dataclass

from app.core import clock
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.fakes.bitcoin_proxy import BitcoinProxy
from tests.signer.bitcoin_under_test import BitcoinUnderTest

WORTHLESS_RAW = 300
"""Above dust, and below what it costs to spend it at the proxy's 5 sat/vB."""


@dataclass(frozen=True)
class BitcoinScene:
    """Transactions and invoices of the scene. `batch` pays five payouts, `first` was replaced by `second`."""

    setup: BitcoinUnderTest
    batch: str
    first: str
    second: str
    second_id: int
    waiting_invoice: str
    waiting_txid: str
    replaced_invoice: str
    payouts: tuple[str, ...]

    def pages(self) -> dict[str, str]:
        """The address of every page, by a name for its picture."""
        network = "/desk/networks/bitcoin/test"
        return {
            "bitcoin-networks": "/desk/networks",
            "bitcoin-network": network,
            "bitcoin-pool": f"{network}/pool",
            "bitcoin-coins": f"{network}/coins",
            "bitcoin-transactions": f"{network}/transactions",
            "bitcoin-transaction": f"{network}/transactions/{self.second_id}",
            "bitcoin-consolidation": f"{network}/consolidation",
            "bitcoin-approval": f"/desk/approvals/{self.payouts[0]}",
        }


async def set_bitcoin_scene(
    services: Services, node: BitcoinDriver, proxy: BitcoinProxy, keys: SpendingKeys
) -> BitcoinScene:
    """Five payouts in one transaction, final; one that was bumped and waits; payments that wait and were replaced."""
    setup = await BitcoinUnderTest.open(services, node, proxy, keys)
    await node.pay(setup.hot, 1_000_000, fee_rate=5)
    await node.pay(setup.hot, WORTHLESS_RAW, fee_rate=5)
    await setup.receive("1.0", "0.5")
    five = await setup.approved("0.01", "0.02", "0.03", "0.04", "0.05")
    await setup.until_confirmed(five)
    bumped = await setup.approved("0.1")
    await setup.rounds()
    await setup.wait_for_bump()
    await setup.rounds()
    batch, first, second = await setup.attempts()
    waiting, replaced = [
        await invoice(services, setup.terms, amount="0.0025", currency="BTC", chain="bitcoin") for _ in range(2)
    ]
    waiting_txid = await node.pay(waiting.pay_in.address, int(waiting.pay_in.amount_raw), fee_rate=5)
    gone = await node.pay(replaced.pay_in.address, int(replaced.pay_in.amount_raw), fee_rate=5)
    await setup.watcher.tick()
    await node.replace(gone, {await node.address(): 200_000})
    await setup.watcher.tick()
    await setup.signer.tick()
    assert clock.now() > first["created_at"]
    return BitcoinScene(
        setup=setup,
        batch=batch["txid"],
        first=first["txid"],
        second=second["txid"],
        second_id=second["id"],
        waiting_invoice=waiting.id,
        waiting_txid=waiting_txid,
        replaced_invoice=replaced.id,
        payouts=tuple(one.id for one in (*five, *bumped)),
    )
