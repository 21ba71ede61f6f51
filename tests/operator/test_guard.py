"""Access to the desk: operators with an authenticator. Every route that the app lists is tested."""

import re

import pytest

from app.audit import log
from app.audit.log import Filters
from app.core import clock
from tests.factories.merchants import make_member
from tests.factories.withdrawals import payout
from tests.identity.browsing import Browser
from tests.operator.served import Served, desk_routes

NAMES = {
    "withdrawal_id": "PO-0000000000",
    "deposit_id": "DEP-0000000000",
    "invoice_id": "INV-0000000000",
    "merchant_id": "MCH-0000000000",
    "application_id": "1",
    "alert_id": "1",
    "hold_id": "1",
    "run_id": "1",
    "verb": "credit",
    "change": "suspend",
    "name": "payouts",
    "owner": "platform:fees",
    "chain": "ethereum",
    "mode": "test",
    "symbol": "USDT",
    "transaction_id": "1",
    "candidate_id": "1",
    "approval_id": "1",
    "request_id": "1",
    "address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "account_id": "ACC-00000000",
}


ABSENT = ("PO-00", "DEP-00", "MCH-00", "ACC-00", "/1", "platform:fees", "/consolidation", "/stake")
"""Parts of addresses of what is not there: these objects, and what networks of other kinds have."""


def routes(served: Served) -> list[tuple[str, str]]:
    """Every (method, address) of the desk, with names of nothing in it."""
    found = [
        (method, re.sub(r"\{(\w+):\w+\}", lambda part: NAMES[part[1]], path))
        for method, path in sorted(set(desk_routes(served.app)))
    ]
    assert len(found) > 40
    return found


async def send_request(browser: Browser, method: str, path: str, csrf_token: str = "") -> tuple[int, str]:
    """Send a request. Returns the status and the redirect's target."""
    if method == "POST":
        fields = {"csrf_token": csrf_token, "reason": "x", "note": "x", "code": "000000", "turn": "pause"}
        answer = await browser.post(path, fields)
    else:
        answer = await browser.get(path)
    return answer.status_code, answer.headers.get("location", "")


async def csrf_of(browser: Browser) -> str:
    """The token of this session's forms."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', (await browser.get("/account")).text)
    assert found is not None
    return found[1]


async def test_strangers_are_sent_to_sign_in(served: Served) -> None:
    browser = served.browser()
    for method, path in routes(served):
        status, location = await send_request(browser, method, path)
        assert (status, location.startswith("/sign-in")) == (303, True), (method, path, status)


async def test_a_merchants_owner_finds_nothing_at_the_desk(served: Served) -> None:
    """The owner has TOTP, a merchant, and forms of their session: all that an operator has, except the right."""
    account = await served.account("owner@example.test", is_operator=False)
    merchant_id = await served.merchant()
    await make_member(merchant_id=merchant_id, role="viewer", email="other@example.test", now=clock.now())
    browser = await served.signed_in(account)
    token = await csrf_of(browser)
    nothing = (await browser.get("/desk/no/such/page")).status_code
    assert nothing == 404
    for method, path in routes(served):
        assert await send_request(browser, method, path, token) == (404, ""), (method, path)
    for path in (f"/desk/merchants/{merchant_id}", f"/desk/ledgers/{merchant_id}/ethereum/test/USDT"):
        assert (await browser.get(path)).status_code == 404


async def test_an_operator_without_an_authenticator_is_sent_to_set_one_up(served: Served) -> None:
    browser = await served.signed_in(await served.account("new@example.test", totp=False))
    token = await csrf_of(browser)
    for method, path in routes(served):
        status, location = await send_request(browser, method, path, token)
        assert (status, location) == (303, "/account/security/second-step"), (method, path)
    assert (await log.page(Filters(action="switch."), None, 10)) == []


async def test_a_form_of_nobody_changes_nothing(served: Served) -> None:
    """A foreign page, or a token of another session, in an operator's own browser."""
    browser = await served.signed_in(await served.account("ops@example.test"))
    elsewhere = await served.signed_in(await served.account("ops2@example.test"))
    token = await csrf_of(browser)
    for method, path in routes(served):
        if method == "POST":
            assert (await send_request(browser, method, path))[0] == 403, path
            assert (await send_request(browser, method, path, await csrf_of(elsewhere)))[0] == 403, path
            foreign = await browser.post(path, {"csrf_token": token}, **{"Sec-Fetch-Site": "cross-site"})
            assert foreign.status_code in (403, 404), path
    assert (await log.page(Filters(action="switch."), None, 10)) == []


async def test_unknown_objects_are_not_found(served: Served) -> None:
    browser = await served.signed_in(await served.account("ops@example.test"))
    token = await csrf_of(browser)
    for method, path in routes(served):
        status, _ = await send_request(browser, method, path, token)
        if path == "/desk/live":
            assert status == 400, "a stream of no topic"
        elif any(
            name in path
            for name in (
                "PO-00",
                "DEP-00",
                "INV-00",
                "MCH-00",
                "ACC-00",
                "/1",
                "platform:fees",
                "/consolidation",
                "/stake",
            )
        ):
            assert status == 404, (method, path, status)
        else:  # a requested run and a changed switch exist
            assert status == (303 if method == "POST" else 200), (method, path, status)
    for wrong in ("?after=nonsense", "?after=-1", "?state=nothing", "?severity=bad"):
        assert (await browser.get(f"/desk/alerts{wrong}")).status_code in (400, 404), wrong
    assert (await browser.get("/desk/approvals?after=%00")).status_code in (400, 404)


@pytest.mark.parametrize("minutes", [9, 11])
async def test_actions_need_a_code_of_the_last_ten_minutes(served: Served, minutes: int) -> None:
    """A stolen cookie is not enough, ten minutes after the code."""
    from datetime import timedelta

    account = await served.account("ops@example.test")
    requested = await payout(served.services, await served.merchant())
    browser = await served.signed_in(account)
    clock.shift(timedelta(minutes=minutes))
    page = f"/desk/approvals/{requested.id}/reject"
    assert ('name="code"' in (await browser.get(page)).text) == (minutes == 11)
    answer = await browser.send(page, reason="no")
    if minutes == 9:
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/approvals")
        return
    assert answer.status_code == 422
    assert "authenticator" in answer.text
    before = browser.session
    answer = await browser.send(page, reason="no", code=account.code())
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/approvals")
    assert browser.session != before
