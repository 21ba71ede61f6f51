"""Checks of a merchant's endpoint: good shops pass, and each fault is told with what to do about it."""

import json
import re
import uuid
from pathlib import Path

from msgspec.structs import replace

from app.core import clock
from app.sandbox import signatures
from app.sandbox.home import ROOT
from app.sandbox.ports import free_port
from app.webhooks import check_words, integration_checks, signing
from app.webhooks.integration_checks import Endpoint, Result
from tests.webhooks.receiving import Receiver, response
from tests.webhooks.shop import GoodShop, Judge, PettyShop, answering, careless

ACCEPTED = ("signed", "duplicate", "out_of_order", "rotated", "unknown_type", "unknown_fields", "large", "at_once")
FORGED = ("no_signature", "wrong_secret", "changed_body", "old")
EVERY = (*ACCEPTED, "unknown_invoice", *FORGED, "in_time")


async def checked(receiver: Receiver, secret: str, judge: Judge | None = None, *, mode: str = "test") -> list[Result]:
    """The results of all checks of the receiver."""
    if judge is not None:
        receiver.answers["/hook"] = answering(judge)
    endpoint = Endpoint(
        url=receiver.url(),
        secrets=[secret],
        merchant_id="MCH-0000000000",
        mode=mode,  # type: ignore[arg-type]
        name="WH-0000000000",
        run=uuid.uuid4(),
        started_at=clock.now(),
    )
    return [result async for result in integration_checks.run(receiver.client, endpoint)]


def verdicts(results: list[Result]) -> dict[str, str]:
    return {result.check: result.verdict for result in results}


async def test_a_good_shop_passes_and_gets_nothing_that_it_could_take_for_an_order(receiver: Receiver) -> None:
    shop = GoodShop(signing.new_secret())
    results = await checked(receiver, shop.secret, shop)

    assert verdicts(results) == dict.fromkeys(EVERY, "passed")
    assert integration_checks.summary(results) == f"{len(EVERY)} of {len(EVERY)} checks passed."
    events = {json.loads(request.body)["event_id"]: json.loads(request.body) for request in receiver.requests}
    assert len(shop.processed) == 9  # each once, though two of them came twice
    for event in events.values():
        assert event["data"]["check"] in {*EVERY, "earlier", "later"}
        assert event["seq"] <= 3, "a shop that stores the number would skip real events"
        if event["type"] != "webhook.test":
            assert event["data"]["check"] in ("unknown_type", "unknown_invoice")
            assert event["data"].get("invoice_id") in (None, "INV-0000000000")
    first, again = receiver.requests[:2]
    assert first.body == again.body
    for request in (first, again):
        signatures.verify(shop.secret, request.headers, request.body)
    later, earlier = receiver.requests[2:4]
    assert (later.seq, earlier.seq) == (3, 2)

    receiver.requests.clear()
    live = await checked(receiver, shop.secret, mode="live")
    assert [result.check for result in live] == [name for name in EVERY if name != "unknown_invoice"]
    assert not any(b"INV-" in request.body for request in receiver.requests)


async def test_each_fault_of_a_shop_is_told(receiver: Receiver) -> None:
    secret = signing.new_secret()
    accepts_all = verdicts(await checked(receiver, secret, careless))
    assert accepts_all == dict.fromkeys(EVERY, "passed") | dict.fromkeys(FORGED, "failed")

    petty = verdicts(await checked(receiver, secret, PettyShop(secret)))
    assert petty == {
        "signed": "passed",
        "duplicate": "passed",
        "out_of_order": "warning",
        "rotated": "failed",
        "unknown_type": "warning",
        "unknown_fields": "failed",
        "large": "failed",
        "at_once": "passed",
        "unknown_invoice": "warning",
        **dict.fromkeys(FORGED, "warning"),
        "in_time": "passed",
    }

    # One that has another secret refuses all: that it refuses forged ones, too, says nothing.
    strange = await checked(receiver, secret, GoodShop(signing.new_secret()))
    assert verdicts(strange)["signed"] == "failed"
    assert {verdicts(strange)[name] for name in FORGED} == {"untold"}
    assert integration_checks.summary(strange).endswith("could be better.")

    # So does one that is not there, has moved, or wants no more events.
    for status, words in ((404, "HTTP 404"), (308, "redirects are not followed"), (410, "is disabled")):
        receiver.always(response(status))
        moved = await checked(receiver, secret)
        assert words in moved[0].came
        assert verdicts(moved)["wrong_secret"] == ("warning" if status == 308 else "untold")


async def test_where_nothing_answers_the_rest_is_not_sent_and_a_broken_off_check_goes_on(receiver: Receiver) -> None:
    secret = signing.new_secret()
    nobody = Endpoint(
        url=f"https://127.0.0.1:{free_port()}/hook",
        secrets=[secret],
        merchant_id="",
        mode="test",
        name="",
        run=uuid.uuid4(),
        started_at=clock.now(),
    )
    results = [result async for result in integration_checks.run(receiver.client, nobody)]
    assert (results[0].verdict, results[0].came) == ("failed", "No answer: nothing listens there")
    assert {result.verdict for result in results[1:]} == {"not_sent"}
    assert integration_checks.summary(results) == "The endpoint could not be reached, so nothing else was sent."

    run = replace(nobody, url=receiver.url())
    receiver.answers["/hook"] = answering(GoodShop(secret))
    first = [result async for result in integration_checks.run(receiver.client, run)]
    event_ids = {json.loads(request.body)["event_id"] for request in receiver.requests}
    rest = [result async for result in integration_checks.run(receiver.client, run, first[:5])]
    assert verdicts(first[:5] + rest) == verdicts(first)
    assert {json.loads(request.body)["event_id"] for request in receiver.requests} == event_ids


def test_each_check_leads_to_a_section_of_the_guide() -> None:
    guide = (Path(ROOT) / "docs" / f"{check_words.GUIDE}.md").read_text()
    headings = {re.sub(r"[^a-z0-9]+", "-", title.lower()) for title in re.findall(r"^#+ (.+)$", guide, re.MULTILINE)}
    assert {check.section for check in check_words.CHECKS.values()} <= headings
    assert tuple(check_words.CHECKS) == EVERY
