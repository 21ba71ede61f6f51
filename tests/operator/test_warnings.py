"""What an approval's page warns of: pure rules over the details of one withdrawal."""

from typing import Any

import pytest
from msgspec.structs import replace

from app.backoffice.withdrawals import (
    DestinationHistory,
    GivenApproval,
    MerchantHistory,
    ShownPreview,
    SimilarWithdrawal,
    WithdrawalDetails,
)
from app.core import clock
from app.ledger.hashchain import State
from app.networks.config import Asset
from app.operator.warnings import warnings_about, why_not, why_not_attach
from app.withdrawals.conflicts import REASONS
from app.withdrawals.digest import Intent, digest

USDT = Asset(symbol="USDT", name="Tether USD", kind="erc20", contract="0x1", decimals=6)
KNOWN = DestinationHistory(
    confirmed=3,
    confirmed_raw=30,
    first_at=clock.now(),
    last_at=clock.now(),
    last_raw=10,
    other_merchants=0,
    rejected=0,
    lookalikes=(),
    paid_from_here=False,
)


def details(**changes: Any) -> WithdrawalDetails:
    """A pending payout of 10 to an address that was paid before: it causes no warning."""
    intent = Intent("PO-1", "USDT", "ethereum:test", 10, "0xabc", None)
    history = MerchantHistory(
        confirmed=3, last_month=3, last_month_raw=30, largest_raw=10, balance=State(1, 5, 10, ""), cap=None
    )
    found = WithdrawalDetails(
        intent=intent,
        digest=digest(intent),
        intact=True,
        kind="payout",
        mode="test",
        status="pending_approval",
        source="MCH-1",
        fee_raw=0,
        held=False,
        hold_reason=None,
        waiting_reason=None,
        decision_reason=None,
        merchant_id="MCH-1",
        merchant_name="Tea & Co",
        merchant_status="approved",
        merchant_since=clock.now(),
        requested_by="api_key:k",
        created_at=clock.now(),
        approved_at=None,
        submitted_at=None,
        settled_at=None,
        approvals_required=1,
        description=None,
        invoice_id=None,
        deposit_id=None,
        reason=None,
        customer_visible_reason=None,
        approvals=(),
        transactions=(),
        destination_history=KNOWN,
        merchant_history=history,
        similar=(),
    )
    return replace(found, **changes)


def titles(found: WithdrawalDetails, asset: Asset | None = USDT) -> list[tuple[str, str]]:
    return [(caution.tone, caution.title) for caution in warnings_about(found, asset)]


def history(**changes: Any) -> DestinationHistory:
    return replace(KNOWN, **changes)


def approval(*, fits: bool = True) -> GivenApproval:
    return GivenApproval(account_id="ACC-1", name="Op", at=clock.now(), fits=fits)


SIMILAR = SimilarWithdrawal(id="PO-2", amount_raw=10, asset="USDT", destination="0xdef", created_at=clock.now())


@pytest.mark.parametrize(
    ("changes", "tone", "words"),
    [
        ({"intact": False}, "critical", "not what was requested"),
        ({"approvals": (approval(fits=False),)}, "critical", "approval has another digest"),
        ({"held": True}, "caution", "On hold"),
        ({"destination_history": history(confirmed=0)}, "caution", "First payment"),
        ({"destination_history": history(rejected=1)}, "caution", "Rejected before"),
        (
            {"destination_history": history(payer_lookalikes=("0xabd",))},
            "critical",
            "paid this invoice, and is another",
        ),
        ({"merchant_status": "banned"}, "critical", "banned"),
        ({"intent": Intent("PO-1", "USDT", "n", 30, "0xabc", None)}, "caution", "Much larger"),
        ({"similar": (SIMILAR,)}, "neutral", "confuse"),
    ],
)
def test_each_warning_appears_alone(changes: dict[str, Any], tone: str, words: str) -> None:
    ((found_tone, title),) = titles(details(**changes))
    assert found_tone == tone
    assert words in title


def test_a_harmless_withdrawal_has_no_warning() -> None:
    assert titles(details()) == []
    assert titles(details(destination_history=history(confirmed=0, paid_from_here=True))) == []
    ceiling = Asset(symbol="USDT", name="T", kind="erc20", contract="0x1", decimals=6, transaction_ceiling_raw=10)
    assert titles(details(), ceiling) == []


def test_the_most_serious_warning_comes_first() -> None:
    poisoned = history(confirmed=0, lookalikes=("0xabd",), rejected=2)
    found = titles(details(destination_history=poisoned, similar=(SIMILAR,), merchant_status="suspended"))
    assert [tone for tone, _ in found] == ["critical", "critical", "caution", "caution", "neutral"]
    assert "Looks like an address" in found[0][1]


def test_ceilings_and_unknown_assets() -> None:
    low = Asset(symbol="USDT", name="T", kind="erc20", contract="0x1", decimals=6, transaction_ceiling_raw=9)
    assert [title for _, title in titles(details(), low)] == ["Above the signer’s ceiling for one payment."]
    assert titles(details(), None)[0][0] == "critical"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "approved"}, "nothing to approve"),
        ({"intact": False}, "edited"),
        ({"held": True}, "on hold"),
        ({"merchant_status": "suspended"}, "is suspended: nothing leaves"),
        ({"merchant_status": "banned"}, "is banned: nothing leaves"),
        ({"approvals": (approval(),)}, "a second operator must"),
    ],
)
def test_why_an_operator_can_not_approve(changes: dict[str, Any], words: str) -> None:
    assert words in (why_not(details(**changes), "ACC-1", None) or "")
    assert why_not(details(), "ACC-1", None) is None


def test_a_conflict_of_interest_is_explained() -> None:
    assert {conflict: why_not(details(), "ACC-1", conflict) for conflict in REASONS} == {
        "asked": "You have requested it yourself: another operator must decide.",
        "holds_key": "It was requested with an API key whose secret you have seen: another operator must decide.",
        "member": "You belong to the merchant, or did when it was requested: another operator must decide.",
    }


def test_nothing_is_attached_by_the_requester_or_to_a_withdrawal_with_a_transaction() -> None:
    assert why_not_attach(details(), None) is None
    assert "whose secret you have seen" in (why_not_attach(details(), "holds_key") or "")
    assert why_not_attach(details(status="rejected"), None) == "It is rejected."


def test_what_is_returned_out_of_suspense_does_not_wait_for_a_suspended_merchant() -> None:
    assert why_not(details(merchant_status="suspended", source="platform:suspense"), "ACC-1", None) is None


@pytest.mark.parametrize(
    ("seen", "warning"),
    [
        ({"is_frozen": True}, ("critical", "The issuer of USDT has frozen this address.")),
        ({"is_contract": True}, ("caution", "The destination is a contract.")),
        ({"is_new_account": True}, ("neutral", "The destination does not exist on chain yet.")),
        ({"is_paused": True}, ("caution", "USDT is paused by its issuer.")),
        ({"fee_bps": 10}, ("caution", "USDT keeps a fee of each transfer now.")),
    ],
)
def test_what_the_signer_has_seen_on_chain(seen: dict[str, Any], warning: tuple[str, str]) -> None:
    nothing = {"is_contract": False, "is_new_account": False, "is_frozen": False, "is_paused": False, "fee_bps": 0}
    preview = ShownPreview(cost_in_words="about 0.01 ETH", looked_at=clock.now(), **nothing | seen)
    assert titles(details(preview=preview)) == [warning]
    # It is of no use any more once something is signed.
    assert titles(details(preview=preview, status="submitted")) == []
