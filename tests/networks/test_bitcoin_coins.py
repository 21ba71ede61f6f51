"""Which coins a bitcoin transaction spends, and what it costs: plain rules, for any coins."""

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.networks.bitcoin import coins, fees
from app.networks.bitcoin.coins import Choice, Coin, NotEnough, Outputs, TooLarge
from app.networks.bitcoin.fees import InPool, dust_limit_raw, fee_raw, vsize_vb
from app.networks.bitcoin.parameters import AddressType
from app.networks.port import FeeAboveCeiling, NodeUnavailable

P2WPKH, P2TR = b"\x00\x14" + 20 * b"\x01", b"\x51\x20" + 32 * b"\x01"
P2PKH, P2SH, P2WSH = (
    b"\x76\xa9\x14" + 20 * b"\x01" + b"\x88\xac",
    b"\xa9\x14" + 20 * b"\x01" + b"\x87",
    b"\x00\x20" + 32 * b"\x01",
)
RATE = 5_000


def coin(number: int, amount_raw: int, *, height: int | None = 100, change: bool = False, ancestors: int = 0) -> Coin:
    return Coin(
        txid=f"{number:064x}",
        vout=number % 3,
        amount_raw=amount_raw,
        address="not looked at",
        branch=int(change),
        index=number,
        height=height,
        is_change=change,
        ancestors=ancestors,
        ancestors_vsize=200 * ancestors,
        ancestors_fee_raw=fee_raw(RATE, 200 * ancestors),
    )


def paying(*amounts_raw: int, address_type: AddressType = "p2wpkh") -> Outputs:
    script = P2WPKH if address_type == "p2wpkh" else P2TR
    return Outputs(
        address_type=address_type,
        scripts=tuple(P2WPKH for _ in amounts_raw),
        amounts_raw=amounts_raw,
        change_script=script,
    )


def amounts(choice: Choice) -> list[int]:
    return sorted(each.amount_raw for each in choice.coins)


def test_the_smallest_coin_that_suffices_alone_is_spent() -> None:
    held = [coin(number, amount_raw) for number, amount_raw in enumerate((900_000, 50_000, 210_000, 230_000))]
    assert amounts(coins.choose(held, paying(200_000), RATE)) == [210_000]


def test_the_largest_coins_come_first_and_the_last_is_the_smallest_that_suffices() -> None:
    held = [coin(number, amount_raw) for number, amount_raw in enumerate((400_000, 300_000, 90_000, 60_000, 50_000))]
    assert amounts(coins.choose(held, paying(450_000), RATE)) == [60_000, 400_000]


def test_what_is_left_returns_as_change_and_dust_goes_to_the_fee() -> None:
    held = [coin(1, 100_000)]
    with_change = coins.choose(held, paying(50_000), RATE)
    assert with_change.vsize == vsize_vb("p2wpkh", 1, (P2WPKH, P2WPKH)) == 141
    assert (with_change.fee_raw, with_change.change_raw) == (705, 100_000 - 50_000 - 705)
    # 294 satoshi are the least that nodes relay to P2WPKH.
    least = coins.choose(held, paying(100_000 - 705 - 294), RATE)
    assert (least.change_raw, least.fee_raw) == (294, 705)
    dust = coins.choose(held, paying(100_000 - 705 - 293), RATE)
    assert (dust.change_raw, dust.fee_raw, dust.vsize) == (0, 705 + 293, 110)
    # Without change the transaction is smaller, so a payment may be larger than with it.
    assert coins.choose(held, paying(100_000 - 550), RATE).fee_raw == 550
    with pytest.raises(NotEnough) as short:
        coins.choose(held, paying(100_000 - 549), RATE)
    assert short.value.short_raw == 1


def test_change_is_spent_unconfirmed_only_if_confirmed_coins_do_not_suffice() -> None:
    held = [
        coin(1, 100_000),
        coin(2, 150_000),
        coin(3, 500_000, height=None, change=True, ancestors=1),
        coin(4, 900_000, height=None),  # what others have sent and no block has
    ]
    assert amounts(coins.choose(held, paying(200_000), RATE)) == [100_000, 150_000]
    assert amounts(coins.choose(held, paying(400_000), RATE)) == [500_000]
    assert amounts(coins.choose(held, paying(600_000), RATE)) == [150_000, 500_000]
    with pytest.raises(NotEnough):
        coins.choose(held, paying(800_000), RATE)


def test_a_coin_under_the_cost_of_spending_it_is_left() -> None:
    cost_raw = fees.input_fee_raw("p2wpkh", RATE)
    assert cost_raw == 339  # 67.75 vB
    held = [coin(1, 10_000), *(coin(number, cost_raw) for number in range(2, 50))]
    with pytest.raises(NotEnough):
        coins.choose(held, paying(9_500), RATE)
    held.append(coin(99, cost_raw + 100))
    assert amounts(coins.choose(held, paying(9_400), RATE)) == [10_000]
    assert amounts(coins.choose(held, paying(9_480), RATE)) == [cost_raw + 100, 10_000]


def test_at_most_25_transactions_hang_together_unconfirmed() -> None:
    def held(*ancestors: int) -> list[Coin]:
        return [
            coin(number, 100_000, height=None, change=True, ancestors=count)
            for number, count in enumerate(ancestors, start=1)
        ]

    assert amounts(coins.choose(held(24), paying(50_000), RATE)) == [100_000]
    with pytest.raises(NotEnough):
        coins.choose(held(25), paying(50_000), RATE)
    assert amounts(coins.choose(held(12, 12), paying(150_000), RATE)) == [100_000, 100_000]
    with pytest.raises(NotEnough):
        coins.choose(held(12, 13), paying(150_000), RATE)


def test_what_a_mined_coin_comes_from_counts_no_more() -> None:
    """The facts about its ancestors are those of when it was in the pool."""
    mined = coin(1, 100_000, height=7, change=True, ancestors=25)
    mined = msgspec.structs.replace(mined, ancestors_vsize=100_900, ancestors_fee_raw=0)
    assert coins.choose([mined], paying(50_000), RATE).fee_raw == 705
    assert coins.choose([], paying(50_000), RATE, required=[mined]).fee_raw == 705


def test_a_chain_is_not_larger_than_nodes_allow() -> None:
    large = coin(1, 10**8, height=None, change=True)
    for vsize, fits in ((101_000 - 141, True), (101_000 - 140, False)):
        parents = {"ancestors": 3, "ancestors_vsize": vsize, "ancestors_fee_raw": fee_raw(RATE, vsize)}
        held = [msgspec.structs.replace(large, **parents)]
        if fits:
            assert coins.choose(held, paying(50_000), RATE).vsize == 141
        else:
            with pytest.raises(TooLarge):
                coins.choose(held, paying(50_000), RATE)


def test_payments_are_at_most_200_and_a_transaction_is_under_100_kvb() -> None:
    held = [coin(number, 100_000) for number in range(1, 2_000)]
    batch = coins.choose(held, paying(*(200 * [50_000])), RATE)
    assert len(batch.coins) == 101
    assert batch.vsize < 20_000
    with pytest.raises(TooLarge):
        coins.choose(held, paying(*(201 * [50_000])), RATE)
    most = fees.most_inputs("p2wpkh", (P2WPKH, P2WPKH))
    assert vsize_vb("p2wpkh", most, (P2WPKH, P2WPKH)) < 100_000 <= vsize_vb("p2wpkh", most + 2, (P2WPKH, P2WPKH))
    full = coins.choose(held, paying(most * 100_000 - 500_000), RATE)
    assert (len(full.coins), full.vsize < 100_000) == (most, True)
    with pytest.raises(TooLarge, match="consolidated"):
        coins.choose(held, paying((most + 1) * 100_000), RATE)
    with pytest.raises(NotEnough):
        coins.choose(held, paying(2_000 * 100_000), RATE)


@pytest.mark.parametrize(("script", "least_raw"), [(P2WPKH, 294), (P2TR, 330), (P2WSH, 330), (P2PKH, 546), (P2SH, 540)])
def test_a_payment_that_no_node_relays_is_refused(script: bytes, least_raw: int) -> None:
    assert dust_limit_raw(script) == least_raw
    for amount_raw in (-1, 0, least_raw - 1):
        outputs = Outputs(address_type="p2wpkh", scripts=(script,), amounts_raw=(amount_raw,), change_script=P2WPKH)
        with pytest.raises(ValueError, match="dust"):
            coins.choose([coin(1, 10**6)], outputs, RATE)


def test_ancestors_that_pay_too_little_are_paid_for() -> None:
    """A parent of 1,000 vB pays 1 sat/vB; with its child it shall pay 5."""
    parent = {"ancestors": 1, "ancestors_vsize": 1_000, "ancestors_fee_raw": 1_000}
    change = Coin(
        txid=64 * "1", vout=1, amount_raw=50_000, address="", branch=1, index=0, is_change=True, height=None, **parent
    )
    child = coins.choose([], paying(), RATE, required=[change])
    assert (child.coins, child.vsize, child.change_raw) == ((change,), 110, 50_000 - child.fee_raw)
    assert child.fee_raw == fees.child_fee_raw(1_000, 1_000, 110, RATE, 1_000) == 5 * 1_110 - 1_000
    # As soon as the parent pays enough by itself, its child pays for itself alone.
    assert fees.child_fee_raw(9_000, 1_000, 110, RATE, 1_000) == 550
    assert fees.child_fee_raw(9_000, 1_000, 110, 500, 1_000) == 110


def test_a_replacement_pays_for_all_that_it_evicts_and_for_its_own_size() -> None:
    # The figures are those that a node accepted, and refused with 1 satoshi less.
    assert fees.replacement_fee_raw([InPool(fee_raw=1_100, vsize=110, evicted_fee_raw=1_100)], 110, 1_000) == 1_210
    with_child = InPool(fee_raw=1_100, vsize=110, evicted_fee_raw=2_200)
    assert fees.replacement_fee_raw([with_child], 141, 1_000) == 2_341
    # A node with another incremental relay fee.
    assert fees.replacement_fee_raw([with_child], 141, 100) == 2_215
    # A larger one must also be at a higher rate than each that it replaces.
    small = InPool(fee_raw=11_000, vsize=110, evicted_fee_raw=11_000)
    assert fees.replacement_fee_raw([small], 1_100, 1_000) == fee_raw(100_001, 1_100) == 110_002
    with pytest.raises(ValueError, match="replaces something"):
        fees.replacement_fee_raw([], 110, 1_000)


def test_a_fee_estimate_is_clamped_and_an_absurd_one_refused() -> None:
    floor, ceiling = 1_000, 300_000
    assert fees.offered_rate(12_345, floor, ceiling, None) == 12_345
    for too_low in (0, -5, 999):
        assert fees.offered_rate(too_low, floor, ceiling, 7_000) == floor
    assert fees.offered_rate(None, floor, ceiling, 7_000) == 7_000
    assert fees.offered_rate(None, floor, ceiling, 100) == floor
    with pytest.raises(NodeUnavailable, match="no estimate"):
        fees.offered_rate(None, floor, ceiling, None)
    for absurd in (300_001, 10_000_000):  # 10,000 sat/vB
        with pytest.raises(FeeAboveCeiling):
            fees.offered_rate(absurd, floor, ceiling, None)
    with pytest.raises(FeeAboveCeiling):  # a full pool takes nothing below the ceiling
        fees.offered_rate(5_000, 300_001, ceiling, None)


held_coins = st.lists(
    st.builds(
        coin,
        st.integers(1, 10**6),
        st.integers(1, 10**7),
        height=st.sampled_from([100, None]),
        change=st.booleans(),
        ancestors=st.integers(1, 12),
    ),
    max_size=40,
    unique_by=lambda each: each.claim,
)


@given(
    held=held_coins,
    paid=st.lists(st.integers(294, 10**6), min_size=1, max_size=20),
    rate=st.integers(1, 400_000),
    address_type=st.sampled_from(["p2wpkh", "p2tr"]),
    seed=st.integers(),
)
def test_any_choice_is_sound(
    held: list[Coin], paid: list[int], rate: int, address_type: AddressType, seed: int
) -> None:
    outputs = paying(*paid, address_type=address_type)
    try:
        choice = coins.choose(held, outputs, rate)
    except (NotEnough, TooLarge):
        return
    # The sum is kept, and the fee is at the rate or above it.
    assert sum(each.amount_raw for each in choice.coins) == sum(paid) + choice.change_raw + choice.fee_raw
    assert choice.fee_raw >= fee_raw(rate, choice.vsize)
    change = (outputs.change_script,) if choice.change_raw else ()
    assert choice.vsize == vsize_vb(address_type, len(choice.coins), (*outputs.scripts, *change))
    # Change is nothing or more than dust; what goes to the fee instead is at most the cost of change.
    assert choice.change_raw == 0 or choice.change_raw >= dust_limit_raw(outputs.change_script)
    lacking = sum(max(fee_raw(rate, each.ancestors_vsize) - each.ancestors_fee_raw, 0) for each in choice.coins)
    with_change = vsize_vb(address_type, len(choice.coins), (*outputs.scripts, outputs.change_script))
    assert choice.fee_raw - lacking < fee_raw(rate, with_change) + dust_limit_raw(outputs.change_script)
    # Only confirmed coins and our own change, each once, none that costs more than it is worth.
    assert len({each.claim for each in choice.coins}) == len(choice.coins)
    assert all(each.height is not None or each.is_change for each in choice.coins)
    assert all(each.amount_raw > fees.input_fee_raw(address_type, rate) for each in choice.coins)
    unmined = [each for each in choice.coins if each.height is None]
    assert 1 + sum(each.ancestors for each in unmined) <= 25
    # Change only where all confirmed coins together are too little.
    if unmined:
        with pytest.raises(NotEnough):
            coins.choose([each for each in held if each.height is not None], outputs, rate)
    # The same in any order.
    shuffled: Sequence[Coin] = random.Random(seed).sample(held, len(held))
    assert coins.choose(shuffled, outputs, rate) == choice


def test_what_spends_a_common_coin_or_its_change_excludes_each_other() -> None:
    """w1 is bumped to w1b; w2 spends the change of w1, w3 that of w1b, w4 an independent coin."""
    unmined = {
        "w1": ["coin:a:0"],
        "w1b": ["coin:a:0", "coin:b:0"],
        "w2": ["coin:w1:1", "coin:c:0"],
        "w3": ["coin:w1b:1"],
        "w4": ["coin:d:0"],
    }

    def exclude(one: str, other: str) -> bool:
        assert coins.exclude_each_other(one, other, unmined) == coins.exclude_each_other(other, one, unmined)
        return coins.exclude_each_other(one, other, unmined)

    assert exclude("w1", "w1b")
    assert exclude("w2", "w1b")
    assert exclude("w2", "w3")
    assert not exclude("w2", "w1")
    assert not exclude("w3", "w1b")
    assert not any(exclude("w4", other) for other in ("w1", "w1b", "w2", "w3"))
