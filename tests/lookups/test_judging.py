"""The table of verdicts: every row, on each kind of network that can have it, and that strangers learn nothing."""

from typing import Any, Literal

import pytest
from msgspec.structs import replace

from app.deposits import matching
from app.lookups.facts import Facts, HeldAddress, StoredDeposit, Viewer
from app.lookups.judging import Finding, Verdict, judge
from app.lookups.token_names import cleaned, resembles
from app.networks.port import UNKNOWN_TRANSACTION, Moved, TransactionState

KINDS = ("ethereum:test", "bitcoin:test", "tron:test", "coin:test")
WITH_TOKENS = ("ethereum:test", "tron:test")
WITH_A_POOL = ("bitcoin:test", "coin:test")
ASSETS = {"ethereum:test": "USDT", "bitcoin:test": "BTC", "tron:test": "USDT", "coin:test": "COIN"}

OURS, THEIRS = "the invoice's address", "somebody else's address"
INVOICE, OTHER = "INV-1", "INV-2"
FAKE = "another contract"
NEEDED = 3

CUSTOMER = Viewer.customer(INVOICE)
MERCHANT = Viewer.merchant("MCH-1", "test")
OPERATOR = Viewer.operator()
EVERYBODY = (CUSTOMER, MERCHANT, OPERATOR)


def moved(network: str, to: str = OURS, **changes: Any) -> Moved:
    fields: dict[str, Any] = {"index": 0, "asset_symbol": ASSETS[network], "to_address": to, "amount_raw": 500}
    return Moved(**{**fields, **changes})


def mined(*moves: Moved, confirmations: int = 1, succeeded: bool = True) -> TransactionState:
    return TransactionState(
        state="mined", height=9, confirmations=confirmations, succeeded=succeeded, moved=moves if succeeded else ()
    )


def pooled(*moves: Moved, is_replaced: bool = False) -> TransactionState:
    return TransactionState(
        state="pooled", is_replaced=is_replaced, fee_rate_raw=1_000, usual_fee_rate_raw=5_000, moved=moves
    )


def deposit(network: str, verdict: str = "exact", status: str = "seen", **changes: Any) -> StoredDeposit:
    fields: dict[str, Any] = {
        "index": 0,
        "asset": ASSETS[network],
        "amount_raw": 500,
        "to_address": OURS,
        "invoice_id": INVOICE,
        "block_height": 9,
        "block_hash": "hash",
        "gone_because": None,
        "replaced_by": None,
        "confirmations_required": NEEDED,
        "head_height": 9,
        "is_visible": True,
        **changes,
    }
    return StoredDeposit(network=network, verdict=matching.Verdict(verdict), status=status, **fields)


def held(network: str, invoice_id: str | None = INVOICE, address: str = OURS) -> HeldAddress:
    return HeldAddress(
        network=network,
        address=address,
        invoice_id=invoice_id,
        asset=ASSETS[network],
        confirmations_required=NEEDED,
    )


def facts(network: str, state: TransactionState | None, viewer: Viewer = CUSTOMER, **changes: Any) -> Facts:
    fields: dict[str, Any] = {"asked": network, "found": network, "confirmations": 12, **changes}
    return Facts(viewer=viewer, state=state, symbols=frozenset({ASSETS[network]}), **fields)


@pytest.mark.parametrize("viewer", EVERYBODY, ids=lambda viewer: viewer.who)
@pytest.mark.parametrize("network", KINDS)
class TestStored:
    """What the books have, whoever may see it."""

    @pytest.mark.parametrize(
        ("stored", "status", "verdict"),
        [
            ("exact", "credited", Verdict.PAID),
            ("part", "suspended", Verdict.PAID_PART),
            ("underpaid", "suspended", Verdict.PAID_SHORT),
            ("overpaid", "suspended", Verdict.PAID_OVER),
            ("late", "suspended", Verdict.PAID_LATE),
            ("cancelled", "suspended", Verdict.PAID_AFTER_CANCELLATION),
            ("second", "suspended", Verdict.PAID_AGAIN),
            ("dust", "suspended", Verdict.DUST),
            ("wrong_asset", "suspended", Verdict.OTHER_ASSET),
            ("in_review", "suspended", Verdict.UNCLAIMED),
            ("unknown", "suspended", Verdict.UNCLAIMED),
            ("exact", "seen", Verdict.CONFIRMING),
            ("underpaid", "seen", Verdict.PAID_SHORT),
        ],
    )
    def test_in_a_block(self, network: str, viewer: Viewer, stored: str, status: str, verdict: Verdict) -> None:
        found = judge(
            facts(network, mined(moved(network), confirmations=2), viewer, deposits=(deposit(network, stored, status),))
        )
        assert (found.verdict, found.invoice_id, found.network) == (verdict, INVOICE, network)
        assert (found.confirmations, found.confirmations_required) == (2, NEEDED)
        assert (found.amount_raw, found.from_books) == (500, False)
        assert [each.verdict for each in found.brought] == [verdict]

    @pytest.mark.parametrize(
        ("because", "verdict"),
        [("reorganised", Verdict.REORGANISED), ("replaced", Verdict.REPLACED), ("dropped", Verdict.DROPPED)],
    )
    def test_gone(
        self, network: str, viewer: Viewer, because: Literal["reorganised", "replaced"], verdict: Verdict
    ) -> None:
        by = "the other one" if because == "replaced" else None
        gone = deposit(network, status="orphaned", gone_because=because, replaced_by=by)
        found = judge(facts(network, UNKNOWN_TRANSACTION, viewer, deposits=(gone,)))
        assert (found.verdict, found.replaced_by, found.confirmations) == (verdict, by, None)
        # The chain has it again, and the books will have it in a moment.
        found = judge(facts(network, mined(moved(network)), viewer, deposits=(gone,)))
        assert found.verdict is Verdict.CONFIRMING

    def test_waiting(self, network: str, viewer: Viewer) -> None:
        waits = deposit(network, block_height=None, block_hash=None)
        found = judge(facts(network, pooled(moved(network)), viewer, deposits=(waits,)))
        assert (found.verdict, found.fee_rate_raw, found.usual_fee_rate_raw) == (Verdict.WAITING, 1_000, 5_000)
        assert found.invoice_id == INVOICE
        gone = facts(
            network, UNKNOWN_TRANSACTION, viewer, deposits=(waits,), is_replaced=True, replaced_by="the other one"
        )
        assert (judge(gone).verdict, judge(gone).replaced_by) == (Verdict.REPLACED, "the other one")

    def test_no_node_answers(self, network: str, viewer: Viewer) -> None:
        found = judge(facts(network, None, viewer, deposits=(deposit(network, head_height=10),)))
        assert (found.verdict, found.from_books, found.confirmations) == (Verdict.CONFIRMING, True, 2)
        assert judge(facts(network, None, viewer)) == Finding(verdict=Verdict.UNAVAILABLE, network=network)


@pytest.mark.parametrize("viewer", EVERYBODY, ids=lambda viewer: viewer.who)
@pytest.mark.parametrize("network", KINDS)
class TestNotStored:
    """What the books don't have, or not yet."""

    def test_what_concerns_nobody(self, network: str, viewer: Viewer) -> None:
        rows = [
            (UNKNOWN_TRANSACTION, {}, Verdict.UNKNOWN),
            (UNKNOWN_TRANSACTION, {"is_replaced": True}, Verdict.REPLACED),
            (pooled(is_replaced=True), {}, Verdict.REPLACED),
            (pooled(), {}, Verdict.WAITING),  # a contract's call: nobody knows yet what it will do
            (pooled(moved(network, THEIRS)), {}, Verdict.ELSEWHERE),
            (mined(succeeded=False), {}, Verdict.FAILED),
            (mined(moved(network, THEIRS)), {}, Verdict.ELSEWHERE),
            (mined(), {}, Verdict.ELSEWHERE),
        ]
        for state, changes, verdict in rows:
            found = judge(facts(network, state, viewer, addresses=(held(network),), **changes))
            assert (found.verdict, found.invoice_id, found.brought) == (verdict, None, ()), state

    def test_what_the_watcher_will_read_in_a_moment(self, network: str, viewer: Viewer) -> None:
        here = (held(network),)
        found = judge(facts(network, mined(moved(network), confirmations=1), viewer, addresses=here))
        assert (found.verdict, found.invoice_id, found.confirmations, found.confirmations_required) == (
            Verdict.CONFIRMING,
            INVOICE,
            1,
            NEEDED,
        )
        found = judge(facts(network, pooled(moved(network)), viewer, addresses=here))
        assert (found.verdict, found.fee_rate_raw) == (Verdict.WAITING, 1_000)
        other = moved(network, asset_symbol="ETH")
        assert judge(facts(network, mined(other), viewer, addresses=here)).verdict is Verdict.OTHER_ASSET

    def test_the_right_address_on_another_network(self, network: str, viewer: Viewer) -> None:
        twin = f"twin-{network}"
        state = mined(moved(network))
        found = judge(facts(network, state, viewer, asked=twin, addresses=(replace(held(network), network=twin),)))
        assert (found.verdict, found.network, found.expected_network) == (Verdict.OTHER_NETWORK, network, twin)
        assert found.invoice_id == INVOICE
        # It is an address of ours there too, of which no invoice is known: the books have it without one.
        loose = deposit(network, "unknown", "suspended", invoice_id=None, is_visible=False)
        known = facts(network, state, viewer, asked=twin, addresses=(replace(held(network), network=twin),))
        assert judge(replace(known, deposits=(loose,))).verdict is Verdict.OTHER_NETWORK

    def test_an_address_of_ours_that_no_invoice_waits_at(self, network: str, viewer: Viewer) -> None:
        loose = deposit(network, "unknown", "suspended", invoice_id=None, is_visible=False)
        found = judge(facts(network, mined(moved(network)), viewer, addresses=(held(network),), deposits=(loose,)))
        assert found.verdict is Verdict.UNCLAIMED


@pytest.mark.parametrize("viewer", EVERYBODY, ids=lambda viewer: viewer.who)
@pytest.mark.parametrize("network", WITH_TOKENS)
@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("USDT", Verdict.LOOKALIKE_TOKEN),
        ("USDТ", Verdict.LOOKALIKE_TOKEN),  # with a Cyrillic letter
        ("usd₮", Verdict.LOOKALIKE_TOKEN),
        ("U S D T", Verdict.LOOKALIKE_TOKEN),
        ("AIRDROP", Verdict.OTHER_TOKEN),
        ("", Verdict.OTHER_TOKEN),
    ],
)
def test_a_token_that_is_not_the_asset(network: str, viewer: Viewer, name: str, verdict: Verdict) -> None:
    fake = moved(network, asset_symbol=None, contract=FAKE)
    found = judge(facts(network, mined(fake), viewer, addresses=(held(network),), token_names={FAKE: name}))
    assert (found.verdict, found.token, found.contract) == (verdict, name, FAKE)
    assert (found.asset, found.amount_raw) == (None, None)
    # The asset itself counts, whatever else comes with it.
    both = mined(fake, moved(network, index=1))
    found = judge(facts(network, both, viewer, addresses=(held(network),), token_names={FAKE: name}))
    assert found.verdict is Verdict.CONFIRMING


@pytest.mark.parametrize("network", KINDS)
def test_another_invoice_of_the_same_merchant(network: str) -> None:
    """Named to the merchant and to operators; the customer learns only that it is not for this payment."""
    theirs = deposit(network, status="credited", invoice_id=OTHER)
    state = mined(moved(network))
    for viewer in (MERCHANT, OPERATOR):
        assert judge(facts(network, state, viewer, deposits=(theirs,))).verdict is Verdict.PAID
        named = judge(facts(network, state, replace(viewer, invoice_id=INVOICE), deposits=(theirs,)))
        assert (named.verdict, named.invoice_id) == (Verdict.OTHER_INVOICE, OTHER)
        waits = facts(
            network, pooled(moved(network)), replace(viewer, invoice_id=INVOICE), addresses=(held(network, OTHER),)
        )
        assert (judge(waits).verdict, judge(waits).invoice_id) == (Verdict.OTHER_INVOICE, OTHER)
    unseen = judge(facts(network, state, CUSTOMER, deposits=(replace(theirs, is_visible=False),)))
    assert (unseen.verdict, unseen.invoice_id) == (Verdict.ELSEWHERE, None)


@pytest.mark.parametrize("viewer", [CUSTOMER, MERCHANT], ids=lambda viewer: viewer.who)
@pytest.mark.parametrize("network", KINDS)
@pytest.mark.parametrize("status", ["seen", "credited", "suspended", "orphaned"])
def test_strangers_learn_nothing(network: str, viewer: Viewer, status: str) -> None:
    """What pays an invoice that they may not see is what pays nobody, whatever the node says, or if it says nothing."""
    hidden = deposit(
        network,
        status=status,
        invoice_id=OTHER,
        is_visible=False,
        gone_because="reorganised" if status == "orphaned" else None,
    )
    elsewhere = f"twin-{network}"
    for state in (None, UNKNOWN_TRANSACTION, pooled(moved(network)), mined(moved(network)), mined(succeeded=False)):
        # Their own invoice may have had the same address, here or on another network.
        for addresses in ((), (held(network),), (replace(held(network), network=elsewhere),)):
            told = judge(facts(network, state, viewer, deposits=(hidden,), addresses=addresses))
            nobody = mined(moved(network, THEIRS)) if state is not None and state.moved else state
            if state is not None and state.state == "pooled":
                nobody = pooled(moved(network, THEIRS))
            assert told == judge(facts(network, nobody, viewer)), (state, addresses)


@pytest.mark.parametrize("network", KINDS)
def test_of_several_payments_in_one_transaction_the_named_one_counts_else_the_one_that_needs_attention(
    network: str,
) -> None:
    good = deposit(network, status="credited", index=0)
    short = deposit(network, "underpaid", "suspended", index=1, invoice_id=OTHER)
    state = mined(moved(network), moved(network, index=1))
    assert judge(facts(network, state, MERCHANT, deposits=(good, short))).invoice_id == OTHER
    named = judge(facts(network, state, replace(MERCHANT, invoice_id=INVOICE), deposits=(good, short)))
    assert (named.verdict, named.invoice_id, len(named.brought)) == (Verdict.PAID, INVOICE, 2)


def test_names_of_tokens_are_one_short_line_that_turns_nothing() -> None:
    assert cleaned("  US\u202eDT\n\x00\u200b  coin ") == "USDT coin"
    assert cleaned("x" * 500) == "x" * 20
    assert cleaned("\u2066\u0000") == ""
    assert not resembles("USDC", "USDT")
    assert not resembles("", "USDT")
