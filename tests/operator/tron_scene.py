"""A Tron network with something of everything for the desk, made through the services of production."""

from dataclasses import dataclass

from app.alerts.service import raise_alert
from app.core import clock, database
from app.sandbox.tron_driver import TronDriver
from app.signer.energy_repository import StakeAction
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.signer.tron_under_test import NETWORK, SOLID, TronUnderTest

USDT = TRX = 1_000_000
WORTH_RAW = 300_000  # a TRX is worth 0.30 USDT
LOAN_ENERGY = 66_000
"""A little more than a sweep takes."""

ENERGY_PER_TRX = 10


@dataclass(frozen=True)
class TronScene:
    """Sweeps that wait: `dear` for an operator, `approved` as dear, `burning` for coin. `lent` has energy on loan.
    `waiting_request` is an operator's, and the signer can't do it now. `payout` waits for approval."""

    setup: TronUnderTest
    dear: int
    approved: int
    approval: int
    burning: int
    waiting_request: int
    payout: str

    def pages(self) -> dict[str, str]:
        """The address of every page, by a name for its picture."""
        network = "/desk/networks/tron/test"
        return {
            "tron-networks": "/desk/networks",
            "tron-network": network,
            "tron-sweeps": f"{network}/sweeps",
            "tron-sweeps-dear": f"{network}/sweeps?state=dear",
            "tron-sweep-dear": f"{network}/sweeps/{self.dear}",
            "tron-sweep-approved": f"{network}/sweeps/{self.approved}",
            "tron-sweep-burning": f"{network}/sweeps/{self.burning}",
            "tron-dear-approval": f"{network}/sweeps/approvals/{self.approval}",
            "tron-loans": f"{network}/loans",
            "tron-stake": f"{network}/stake",
            "tron-stake-request": f"{network}/stake/{self.waiting_request}",
            "tron-transactions": f"{network}/transactions",
            "tron-approval": f"/desk/approvals/{self.payout}",
        }


async def set_tron_scene(services: Services, driver: TronDriver, usdt: str, keys: SpendingKeys) -> TronScene:
    """Energy for one sweep a day, lent; two dear sweeps, one of them approved; one that burns coin; a payout."""
    setup = await TronUnderTest.open(services, driver, usdt, keys)
    await setup.send("TRX", setup.hot, 10_000 * TRX)
    await setup.send("USDT", setup.hot, 1_000 * USDT)
    await setup.blocks(SOLID)
    await _request(setup, "stake", LOAN_ENERGY * TRX // ENERGY_PER_TRX + TRX)
    await _rounds(setup, 2)
    dear, approved, _lent = [await setup.receive("USDT", amount * USDT) for amount in (5, 7, 100)]
    await setup.blocks(SOLID)
    await _rounds(setup, 2)
    burning = await setup.receive("USDT", 1_000 * USDT)
    await setup.blocks(SOLID)
    payout = await setup.requested(50 * USDT)
    waiting_request = await _request(setup, "unstake", 20_000 * TRX)
    await setup.signer.tick()
    candidates = [await _candidate(one.pay_in.address) for one in (dear, approved, burning)]
    by = setup.operator
    cost_raw = await database.fetch_value("SELECT cost_raw FROM sweep_candidates WHERE id = $1", candidates[1])
    await services.dear_sweeps.approve(candidates[1], by.id, by.next_code(), clock.now(), up_to_raw=int(cost_raw))
    await raise_alert(
        severity="critical",
        kind="danger_permission_changed",
        dedupe_key=f"danger_permission_changed:{NETWORK}:{dear.pay_in.address}",
        message=f"{NETWORK}: who may sign for an account of ours was changed",
        details={"network": NETWORK, "address": dear.pay_in.address},
        now=clock.now(),
    )
    return TronScene(
        setup=setup,
        dear=candidates[0],
        approved=candidates[1],
        approval=await database.fetch_value("SELECT id FROM dear_sweep_approvals"),
        burning=candidates[2],
        waiting_request=waiting_request,
        payout=payout.id,
    )


async def _request(setup: TronUnderTest, action: StakeAction, amount_raw: int) -> int:
    by = setup.operator
    return await setup.services.stake.request(NETWORK, action, amount_raw, by.id, by.next_code(), clock.now())


async def _rounds(setup: TronUnderTest, count: int) -> None:
    """Rounds of the signer, each with so many blocks that what it sent is final."""
    for _ in range(count):
        await setup.signer.tick()
        await setup.blocks(SOLID)


async def _candidate(address: str) -> int:
    found: int = await database.fetch_value(
        """
        SELECT c.id FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
        WHERE a.address = $1 AND c.asset = 'USDT'
        """,
        address,
    )
    return found
