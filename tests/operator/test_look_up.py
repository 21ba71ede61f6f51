"""Looking things up at the desk: one box for every id, read-only pages of invoices and addresses; alerts with what to
do; what an operator has decided."""

import re
from pathlib import Path

import pytest

from app.core import clock, database
from app.operator.guidance import KINDS
from app.sandbox.chain_driver import AnvilDriver
from tests.operator.scene import OTHER, set_scene
from tests.operator.served import Served
from tests.operator.test_queues import text_of

APP = Path(__file__).parents[2] / "app"

RAW = (
    "pending_approval",
    "Pending approval",
    "awaiting_deposit",
    "Awaiting deposit",
    "manual_review",
    "Manual review",
    "partially_refunded",
    "e-mail",
    "E-mail",
    "ithdrawal",
    "Replay",
    "Turn down",
    "Deeds",
)
"""Names of the API and the database, and words that another word stands for: on no page of the desk."""


async def test_everything_with_an_id_is_found_and_shown(served: Served, driver: AnvilDriver, token: str) -> None:
    scene = await set_scene(served.services, driver, token)
    browser = await served.signed_in(scene.operator)
    leads = {
        scene.reviewed: f"/desk/invoices/{scene.reviewed}",
        scene.reviewed.lower(): f"/desk/invoices/{scene.reviewed}",
        scene.usual: f"/desk/approvals/{scene.usual}",
        scene.review: f"/desk/reviews/{scene.review}",
        scene.shop: f"/desk/merchants/{scene.shop}",
        scene.deposit_address: f"/desk/addresses/{scene.deposit_address}",
        scene.sent_txid: f"/desk/transactions?txid={scene.sent_txid}",
        "harbour": "/desk/merchants?q=harbour",
    }
    for text, page in leads.items():
        answer = await browser.get(f"/desk/look-up?q={text}")
        assert (answer.status_code, answer.headers.get("location")) == (303, page), text
    nothing = await browser.get("/desk/look-up?q=INV-0000000000")
    assert "INV-0000000000 is none of our invoices" in nothing.text

    invoice = text_of((await browser.get(leads[scene.reviewed])).text)
    for words in (
        "In review Test, no real money of Harbour & Pine",
        "Received 24.750008 USDT",
        "Credited to the merchant Nothing yet",
        "Too little Its review",
        "The merchant has no endpoint for what happened to it.",
        "Transfer seen: too little",
        "Review opened",
    ):
        assert words in invoice, words
    address = (await browser.get(f"/desk/addresses/{scene.deposit_address.lower()}")).text
    assert f"/desk/invoices/{scene.reviewed}" in address
    assert f"/desk/reviews/{scene.review}" in address
    sent = (await browser.get(f"/desk/addresses/{OTHER}")).text
    assert f"/desk/approvals/{scene.large}" in sent
    ours = (await browser.get(leads[scene.sent_txid])).text
    assert f"/desk/approvals/{scene.confirmed}" in ours
    assert (await browser.get("/desk/addresses/nonsense")).status_code == 404

    # Of every page: what can't be undone is asked, with a reason and a way out, and nothing has a name of the API.
    questions: set[str] = set()
    for name, path in scene.pages().items():
        page = (await browser.get(path)).text
        for link in re.findall(r'href="([^"]+)"[^>]* data-ask', page):
            asked = await browser.get(link.replace("&amp;", "&"))
            while asked.status_code == 303:  # the key of its form is put into the address
                asked = await browser.get(asked.headers["location"])
            assert asked.status_code == 200, (name, link)
            assert 'name="reason"' in asked.text, (name, link)
            assert '<a class="button button--quiet"' in asked.text, "a way out"
            questions.add(re.sub(r"[A-Z]+-\w+|\d+", "…", link))
        shown = text_of(re.sub(r"<(code|bdi)[^>]*>.*?</\1>", "", page, flags=re.DOTALL))
        assert not [word for word in RAW if word in shown], (name, [word for word in RAW if word in shown])
    assert questions == {
        "/desk/applications/…/reject",
        "/desk/approvals/…/reject",
        "/desk/holds/…",
        "/desk/holds/withdrawals/…",
        "/desk/merchants/…/standing/ban",
        "/desk/merchants/…/standing/reinstate",
        "/desk/merchants/…/standing/suspend",
        "/desk/switches/invoices",
        "/desk/switches/payouts",
        "/desk/switches/refunds",
    }


async def test_alerts_say_what_to_do_and_lead_on_and_decisions_are_on_a_page_of_their_own(
    served: Served, driver: AnvilDriver, token: str
) -> None:
    scene = await set_scene(served.services, driver, token)
    browser = await served.signed_in(scene.operator)
    page = text_of((await browser.get("/desk/alerts")).text)
    assert page.index("The books and the chain differ") < page.index("The hot wallet holds little")
    assert "What to do: Pause payouts and refunds, open the finding" in page
    (other,) = [
        row["id"]
        for row in await database.fetch_all(
            "SELECT id FROM alerts WHERE acknowledged_at IS NULL AND severity = 'critical'"
        )
        if row["id"] != scene.alert
    ]
    answer = await browser.send(
        f"/desk/alerts/{scene.alert}/acknowledge?severity=critical",
        f"/desk/alerts/{scene.alert}?severity=critical",
        note="recounted",
    )
    assert answer.headers["location"] == f"/desk/alerts/{other}?severity=critical"
    assert f"See alert {scene.alert}" in (await browser.get(answer.headers["location"])).text
    answer = await browser.send(
        f"/desk/alerts/{other}/acknowledge?severity=critical", f"/desk/alerts/{other}?severity=critical", note="raised"
    )
    assert answer.headers["location"] == "/desk/alerts?severity=critical", "warnings are still open"

    own = "/desk/history"
    history = (await browser.get(own)).text
    assert f'href="{own}" aria-current="page"' in history
    for words in (
        "Acknowledged an alert",
        "Approved a payout",
        "Rejected a payout",
        "Closed a review",
        "Switch paused",
    ):
        assert words in history, words
    rejected = text_of((await browser.get(f"{own}?about={scene.rejected}")).text)
    assert "Rejected a payout" in rejected
    assert "The address belongs to a mixer." in rejected
    assert "Approved a payout" not in rejected
    alone = text_of((await browser.get(f"{own}?what=alert.&from={clock.now():%Y-%m-%d}")).text)
    assert "recounted" in alone
    assert "Rejected a payout" not in alone
    others = text_of((await browser.get(f"/desk/operators/{scene.second.id}")).text)
    assert "Decisions of Otto Overseer" in others
    assert "Left a note" in others
    assert (await browser.get(f"{own}?what=nothing")).status_code == 404


@pytest.mark.parametrize("folder", ["alerts", "deposits", "rates", "reconciliation", "signer", "withdrawals"])
def test_every_kind_of_alert_that_the_code_names_has_its_guidance(folder: str) -> None:
    for path in (APP / folder).rglob("*.py"):
        for call in re.findall(r"raise_alert\((.*?)\n\s*\)", path.read_text(), re.DOTALL):
            for kind in re.findall(r'kind="(\w+)"', call):
                assert kind in KINDS, (path.name, kind)
