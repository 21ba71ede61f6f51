"""What moves without a payment: sweeps, gas, consolidations, loans of energy, stake. Somebody who owns the database can
bring none of it to an address of theirs; and what operators approve of it counts only as far as the signer's file
allows."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from app.core import database
from app.signer.energy_repository import StakeAction
from tests.factories.bitcoin import NETWORK as BITCOIN
from tests.factories.tampering import as_superuser
from tests.factories.tron import somebody
from tests.signer.approving import ONE, BitcoinDesk, Desk, TronDesk
from tests.signer.bitcoin_under_test import ACCOUNT_PATH, BitcoinUnderTest, account_address
from tests.signer.signer_under_test import SignerUnderTest, new_address
from tests.signer.tron_under_test import NETWORK as TRON
from tests.signer.tron_under_test import SOLID, TronUnderTest

UNIT = 1_000_000
"""One USDT, and one TRX."""

SWEPT = {"USDT": {"sweep_min_raw": UNIT}, "ETH": {"sweep_min_raw": 10**15}}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return SWEPT


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def bitcoin_options() -> Mapping[str, object]:
    return {"consolidate_above_coins": 1, "consolidate_max_fee_rate_sat_vb": 10, "sweep_interval_s": 1}


@pytest.fixture
def tron_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def tron_asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": UNIT, "coin_worth_raw": 300_000}, "TRX": {"sweep_min_raw": 60 * UNIT}}


async def halted(desk: Desk) -> bool:
    """After a round whose failure is told as an alert: whether the signer has stopped for an address not ours."""
    await desk.setup.signer._tick_then_pause_s()
    said = await database.fetch_value("SELECT message FROM alerts WHERE kind = 'signer_halted'")
    return said is not None and "is not one of our addresses" in said


async def test_sweeps_and_gas_stay_with_us_on_an_evm_network(setup: SignerUnderTest, tmp_path: Path) -> None:
    desk, thief = await Desk.open(setup, tmp_path), new_address()
    await setup.send("USDT", thief, 50 * UNIT)
    await setup.confirm_blocks()
    ours = (await setup.receive_payment("USDT", "20.00")).pay_in.address
    await setup.confirm_blocks()
    # The thief's address, with tokens, in the place of one of ours: no gas goes there.
    await as_superuser(f"UPDATE deposit_addresses SET address = '{thief}' WHERE address = '{ours}'")
    assert await halted(desk)
    # And with the number of another address, which is derived, compared, and not the thief's.
    await as_superuser(
        f"UPDATE deposit_addresses SET derivation_index = derivation_index + 1000 WHERE address = '{thief}'"
    )
    assert await halted(desk)
    assert await setup.driver.balance_of(thief) == 0
    # Put right again, all that customers have paid is swept to the hot wallet.
    await as_superuser(
        f"UPDATE deposit_addresses SET address = '{ours}', derivation_index = derivation_index - 1000"
        f" WHERE address = '{thief}'"
    )
    for _ in range(6):
        setup.signer._swept_at = None
        await desk.rounds()
    paid = await database.fetch_all(
        "SELECT DISTINCT to_address FROM outgoing_payments p JOIN outgoing_transactions t"
        " ON t.id = p.transaction WHERE t.purpose = 'sweep'"
    )
    assert [row["to_address"] for row in paid] == [setup.hot]
    await setup.check()


async def test_a_consolidation_needs_the_file_and_pays_our_change_on_bitcoin(
    bitcoin_setup: BitcoinUnderTest, tmp_path: Path
) -> None:
    desk = await BitcoinDesk.open(bitcoin_setup, tmp_path)
    # An approval that the attacker has written, at a rate far above what the networks file allows.
    await as_superuser(
        "INSERT INTO consolidation_policies (network, max_fee_rate, approved_by, approved_at)"
        f" VALUES ('{BITCOIN}', 1000000, '{desk.operators['ada'].id}', now())"
    )
    await desk.rounds(2)
    assert await bitcoin_setup.attempts() == []
    (said,) = await desk.alerts_of("signer_refused_policy")
    assert said == (
        f"{BITCOIN}: a consolidation is approved at the desk, and the signer’s approvers file does not allow it"
    )
    # Where the file allows it, the rate of the signer's own networks file holds, and the coins come to our change.
    desk.use_file("ada", "ben", rules=f'{ONE}\n[[policies]]\nnetwork = "{BITCOIN}"\nconsolidate = true\n')
    bitcoin_setup.proxy.estimate_sat_vb = 11
    await desk.rounds()
    assert await bitcoin_setup.attempts() == []
    bitcoin_setup.proxy.estimate_sat_vb = 10
    await desk.rounds()
    (merged,) = await bitcoin_setup.attempts()
    decoded = await bitcoin_setup.decoded(merged["signed_bytes"])
    xpub = bitcoin_setup.keys.account(ACCOUNT_PATH).xpub
    change = {account_address(xpub, 1, index) for index in range(5)}
    assert {out["scriptPubKey"]["address"] for out in decoded["vout"]} <= change


async def test_dear_sweeps_and_stake_need_the_file_and_stay_with_us_on_tron(
    tron_setup: TronUnderTest, tmp_path: Path
) -> None:
    setup, desk = tron_setup, await TronDesk.open(tron_setup, tmp_path)
    small = await setup.receive("USDT", 5 * UNIT)
    await setup.blocks(SOLID)
    address, thief = small.pay_in.address, somebody(666)

    async def stake(action: StakeAction, amount_raw: int) -> None:
        await as_superuser(
            "INSERT INTO stake_requests (network, action, amount_raw, requested_by, requested_at)"
            f" VALUES ('{TRON}', '{action}', {amount_raw}, '{desk.operators['ada'].id}', now())"
        )

    async def moved() -> list[str]:
        rows = await database.fetch_all(
            "SELECT coalesce(t.form::jsonb->'move'->>'action', t.purpose) AS what FROM outgoing_transactions t"
            " LEFT JOIN outgoing_payments p ON p.transaction = t.id"
            " WHERE t.from_address = $1 OR p.to_address = $1 OR t.purpose = 'stake' ORDER BY t.id",
            address,
        )
        return [row["what"] for row in rows]

    # A sweep that costs more than it should, and coin that would be locked for weeks, approved by the attacker.
    await as_superuser(
        "INSERT INTO dear_sweep_approvals (network, asset, address, up_to_raw, approved_by, approved_at)"
        f" VALUES ('{TRON}', 'USDT', '{address}', {49 * UNIT}, '{desk.operators['ada'].id}', now())"
    )
    await stake("stake", 400 * UNIT)
    await desk.rounds(3)
    assert await moved() == []
    assert len(await desk.alerts_of("signer_refused_policy")) == 2
    reason = "SELECT waiting_reason FROM stake_requests WHERE outcome IS NULL"
    assert await database.fetch_value(reason) == "the signer’s approvers file allows no moves of the stake"
    # The file allows a part: no more than that.
    policy = f'{ONE}\n[[policies]]\nnetwork = "{TRON}"\ndear_sweep_up_to = "30"\nstake_up_to = "100"\n'
    desk.use_file("ada", "ben", rules=policy)
    await desk.rounds()
    await setup.expire()  # a new process waits for what an older database could lack
    await desk.rounds(2)
    assert await database.fetch_value(reason) == "the signer’s approvers file allows 100.00 TRX to be staked in all"
    await as_superuser(f"UPDATE stake_requests SET amount_raw = {60 * UNIT}")
    await desk.rounds(4)
    assert sorted(await moved()) == ["gas", "stake", "sweep"]
    assert await setup.driver.balance_of(address, setup.usdt) == 0
    await setup.check()
    # Energy and coin go to no address that our keys don't derive.
    await setup.send("USDT", thief, 5_000 * UNIT)
    await setup.receive("USDT", 50 * UNIT)
    await setup.blocks(SOLID)
    await as_superuser(
        f"UPDATE deposit_addresses SET address = '{thief}' WHERE id ="
        " (SELECT deposit_address FROM deposits ORDER BY seen_at DESC, id DESC LIMIT 1)"
    )
    assert await halted(desk)
    assert await setup.driver.balance_of(thief) == 0
