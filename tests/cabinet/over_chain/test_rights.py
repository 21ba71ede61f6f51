"""Every route of the cabinet times every role times a foreign merchant. The routes are the app's own: one that is not
in the table fails."""

import re
from collections.abc import Callable, Mapping
from html import unescape
from weakref import WeakKeyDictionary

import httpx
import pytest

from app.asgi import create_app
from app.core.settings import Settings
from app.merchants.roles import ROLES, Role
from app.web.edge import Edge
from tests.cabinet.world import World
from tests.identity.browsing import Browser, hidden

ALL: tuple[Role, ...] = ("owner", "admin", "developer", "accountant", "support", "viewer")
BOOKS: tuple[Role, ...] = ("owner", "admin", "developer", "accountant", "viewer")
MONEY: tuple[Role, ...] = ("owner", "admin")
RETURNS: tuple[Role, ...] = ("owner", "admin", "support")
AUDIT: tuple[Role, ...] = ("owner", "admin", "accountant")
MAKERS: tuple[Role, ...] = ("owner", "admin", "developer")
NOBODY: tuple[Role, ...] = ()

PREFIX = "/cabinet/{merchant_id:str}/{mode:str}"

ROUTES: Mapping[tuple[str, str], tuple[Role, ...]] = {
    ("GET", ""): ALL,
    ("GET", "/application"): NOBODY,  # an approved merchant has none to send
    ("POST", "/application"): NOBODY,
    ("GET", "/invoices"): ALL,
    ("GET", "/invoices/new"): MAKERS,
    ("POST", "/invoices/new"): MAKERS,
    ("GET", "/invoices/{invoice_id:str}"): ALL,
    ("GET", "/invoices/{invoice_id:str}/cancel"): MAKERS,
    ("POST", "/invoices/{invoice_id:str}/cancel"): MAKERS,
    ("GET", "/invoices/{invoice_id:str}/refund"): MONEY,
    ("POST", "/invoices/{invoice_id:str}/refund"): MONEY,
    ("GET", "/payment-links"): ALL,
    ("GET", "/payment-links/new"): MAKERS,
    ("POST", "/payment-links/new"): MAKERS,
    ("GET", "/payment-links/{link_id:str}"): ALL,
    ("GET", "/payment-links/{link_id:str}/poster"): ALL,
    ("GET", "/payment-links/{link_id:str}/edit"): MAKERS,
    ("POST", "/payment-links/{link_id:str}/edit"): MAKERS,
    ("POST", "/payment-links/{link_id:str}/off"): MAKERS,
    ("POST", "/payment-links/{link_id:str}/on"): MAKERS,
    ("GET", "/till"): MAKERS,
    ("POST", "/till"): MAKERS,
    ("GET", "/till/{invoice_id:str}"): MAKERS,
    ("POST", "/till/{invoice_id:str}/choose"): MAKERS,
    ("POST", "/till/{invoice_id:str}/cancel"): MAKERS,
    ("GET", "/payouts"): BOOKS,
    ("GET", "/payouts/new"): MONEY,
    ("GET", "/payouts/review"): MONEY,
    ("POST", "/payouts/review"): MONEY,
    ("GET", "/payouts/{payout_id:str}"): BOOKS,
    ("GET", "/payouts/{payout_id:str}/cancel"): MONEY,
    ("POST", "/payouts/{payout_id:str}/cancel"): MONEY,
    ("GET", "/refunds"): ALL,
    ("GET", "/transactions"): ALL,
    ("GET", "/refunds/{refund_id:str}"): ALL,
    ("GET", "/reviews"): ALL,
    ("GET", "/balances"): BOOKS,
    ("GET", "/ledger"): BOOKS,
    ("GET", "/ledger/{name:str}"): BOOKS,
    ("POST", "/ledger/{name:str}/verify"): BOOKS,
    ("GET", "/ledger/{name:str}/{seq:int}"): BOOKS,
    ("GET", "/exports"): BOOKS,
    ("GET", "/exports/invoices.csv"): BOOKS,
    ("GET", "/exports/payouts.csv"): BOOKS,
    ("GET", "/exports/refunds.csv"): BOOKS,
    ("GET", "/exports/ledger/{name:str}"): BOOKS,
    ("GET", "/exports/statements/{name:str}"): BOOKS,
    ("GET", "/statements"): BOOKS,
    ("GET", "/statements/{month:str}"): BOOKS,
    ("GET", "/statements/{month:str}/print"): BOOKS,
    ("GET", "/statements/{month:str}/{name:str}"): BOOKS,
    ("POST", "/statements/{month:str}/evidence"): BOOKS,
    ("GET", "/keys"): MAKERS,
    ("GET", "/keys/new"): MAKERS,
    ("POST", "/keys/new"): MAKERS,
    ("GET", "/keys/{key_id:str}"): MAKERS,
    ("GET", "/keys/{key_id:str}/edit"): MAKERS,
    ("POST", "/keys/{key_id:str}/edit"): MAKERS,
    ("GET", "/keys/{key_id:str}/rotate"): MAKERS,
    ("POST", "/keys/{key_id:str}/rotate"): MAKERS,
    ("GET", "/keys/{key_id:str}/secret"): MAKERS,
    ("GET", "/keys/{key_id:str}/revoke"): MAKERS,
    ("POST", "/keys/{key_id:str}/revoke"): MAKERS,
    ("GET", "/exports/invoices"): BOOKS,
    ("POST", "/exports/invoices"): BOOKS,
    ("GET", "/exports/payouts"): BOOKS,
    ("POST", "/exports/payouts"): BOOKS,
    ("GET", "/exports/refunds"): BOOKS,
    ("POST", "/exports/refunds"): BOOKS,
    ("GET", "/work/{job_id:str}"): BOOKS,
    ("GET", "/work/{job_id:str}/file"): BOOKS,
    ("POST", "/work/{job_id:str}/cancel"): BOOKS,
    ("GET", "/reports"): BOOKS,
    ("GET", "/webhooks"): MAKERS,
    ("GET", "/webhooks/new"): MAKERS,
    ("POST", "/webhooks/new"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/edit"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/edit"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/secret"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/secret"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/secret/shown"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/rotate"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/rotate"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/replay"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/replay"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/test"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/check"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/check"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/deliveries/{event_id:str}/replay"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/pause"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/enable"): MAKERS,
    ("GET", "/events"): MAKERS,
    ("GET", "/events/{event_id:str}"): MAKERS,
    ("POST", "/events/{event_id:str}/replay"): MAKERS,
    ("GET", "/webhooks/{endpoint_id:str}/delete"): MAKERS,
    ("POST", "/webhooks/{endpoint_id:str}/delete"): MAKERS,
    ("GET", "/team"): ALL,
    ("GET", "/team/roles"): ALL,
    ("GET", "/team/invite"): MONEY,
    ("POST", "/team/invite"): MONEY,
    ("GET", "/team/invitations/{invitation_id:int}/again"): MONEY,
    ("POST", "/team/invitations/{invitation_id:int}/again"): MONEY,
    ("GET", "/team/invitations/{invitation_id:int}/withdraw"): MONEY,
    ("POST", "/team/invitations/{invitation_id:int}/withdraw"): MONEY,
    ("GET", "/team/{account_id:str}"): MONEY,
    ("POST", "/team/{account_id:str}"): MONEY,
    ("GET", "/team/{account_id:str}/remove"): MONEY,
    ("GET", "/team/{account_id:str}/secrets"): MONEY,
    ("POST", "/team/{account_id:str}/secrets"): MONEY,
    ("GET", "/team/{account_id:str}/secrets/shown"): MONEY,
    ("POST", "/team/{account_id:str}/remove"): MONEY,
    ("GET", "/security"): MAKERS,
    ("GET", "/security/remedy"): MAKERS,
    ("POST", "/security/remedy"): MAKERS,
    ("GET", "/settings"): BOOKS,
    ("POST", "/settings"): MONEY,
    ("GET", "/settings/branding"): MONEY,
    ("GET", "/settings/prices"): MONEY,
    ("POST", "/settings/prices"): MONEY,
    ("GET", "/settings/embedding"): MONEY,
    ("POST", "/settings/embedding"): MONEY,
    ("GET", "/settings/returns"): MONEY,
    ("POST", "/settings/returns"): MONEY,
    ("GET", "/reviews/{deposit_id:str}/return-address"): ALL,
    ("POST", "/reviews/{deposit_id:str}/return-address"): RETURNS,
    ("GET", "/settings/preview"): MONEY,
    ("GET", "/settings/accent/{colour:str}"): BOOKS,
    ("GET", "/settings/logo"): BOOKS,
    ("POST", "/settings/branding"): MONEY,
    ("GET", "/audit"): AUDIT,
    ("GET", "/search"): ALL,
    ("GET", "/search/found"): ALL,
    ("GET", "/words"): ALL,
    ("POST", "/first-steps/hide"): ALL,
    ("POST", "/first-steps/show"): BOOKS,
    **{
        ("POST", f"/filters/{which}{rest}"): roles
        for which, roles in (("invoices", ALL), ("payouts", BOOKS), ("refunds", ALL), ("audit", AUDIT))
        for rest in ("", "/{filter_id:int}/remove")
    },
    ("GET", "/team/leave"): ALL,
    ("POST", "/team/leave"): ALL,  # last: it ends the membership
}
"""The roles that may use each route. Other roles get a 403, people who are no members a 404."""

BOTH_MODES = (
    "/team",
    "/team/roles",
    "/team/invite",
    "/team/leave",
    "/audit",
    "/security",
    "/settings",
    "/settings/logo",
)
"""Pages of the whole merchant, in both modes: the audit log and the team."""

DONE = (200, 303, 422)
"""The statuses for somebody who is allowed: a page, a redirect, or the form with errors."""


def served(app: Edge) -> set[tuple[str, str]]:
    """Every method and path of the app below a merchant."""
    return {
        (method, route.path.removeprefix(PREFIX))
        for route in app._app.routes
        if route.path.startswith(PREFIX)
        for method in route.methods - {"OPTIONS", "HEAD"}
    }


def address(path: str, base: str, ids: Mapping[str, str]) -> str:
    """A route's address for a merchant, with existing ids."""
    if path.startswith("/exports/statements"):
        return f"{base}/exports/statements/{ids['month']}.csv"
    filled = re.sub(r"\{(\w+):\w+\}", lambda found: ids[found[1]], path)
    return base + (filled + ".csv" if path.startswith("/exports/ledger") else filled)


_tokens: WeakKeyDictionary[Browser, str] = WeakKeyDictionary()
"""The CSRF token of each person's session: it is the same on every page."""


async def send_request(browser: Browser, method: str, path: str) -> tuple[int, str]:
    """Open a page, or submit its form with only this person's CSRF token."""
    if method == "GET":
        answer = await browser.get(path)
    else:
        if browser not in _tokens:
            _tokens[browser] = hidden(await browser.get("/account"))["csrf_token"]
        answer = await browser.post(path, {"csrf_token": _tokens[browser]})
    text = re.sub(r"<code[^>]*>[0-9a-f]{32}</code>", "", answer.text)
    # Tokens of forms, and where forms lead back.
    own = r'name="(csrf_token|next)" value="[^"]*"|[0-9a-f]{32}(\.[0-9a-f]+)?\.[0-9a-f]{64}'
    return answer.status_code, re.sub(own, "", text)


async def test_table_has_every_route(settings: Settings) -> None:
    streams = {("GET", "/live")}  # its rights depend on what is followed: tests/live/
    assert served(create_app(settings)) - streams == set(ROUTES)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_what_the_table_says(role: Role, world: World, browser: Callable[..., Browser]) -> None:
    person = browser()
    await person.sign_in(world.people[role])
    refused = {}
    for (method, path), roles in ROUTES.items():
        status, _ = await send_request(person, method, address(path, world.base, world.ids))
        own = (404,) if "filter_id" in path else ()  # a saved filter is its owner's, and nobody here has one
        expected = (*DONE, *own) if role in roles else (403,)
        if status not in expected:
            refused[f"{method} {path}"] = status
    assert refused == {}


async def test_a_foreign_merchant_answers_as_a_missing_one(world: World, browser: Callable[..., Browser]) -> None:
    person = browser()
    await person.sign_in(world.stranger)
    for method, path in ROUTES:
        foreign = await send_request(person, method, address(path, world.base, world.ids))
        unknown = await send_request(person, method, address(path, "/cabinet/MCH-0000000000/test", world.ids))
        assert foreign[0] == unknown[0] == 404, path
        assert foreign[1] == unknown[1], path


async def test_things_of_a_foreign_merchant_are_not_in_ones_own(world: World, browser: Callable[..., Browser]) -> None:
    """Pages of one merchant with ids of another, and of the other mode."""
    person = browser()
    await person.sign_in(world.stranger)
    details = [(method, path) for method, path in ROUTES if "{" in path and "accent" not in path]
    for method, path in details:
        status, _ = await send_request(person, method, address(path, f"/cabinet/{world.foreign_id}/test", world.ids))
        assert status == 404, path
    owner = browser()
    await owner.sign_in(world.people["owner"])
    for method, path in details:
        if path.startswith("/team"):
            continue  # people belong to both modes
        status, _ = await send_request(owner, method, address(path, world.base.replace("/test", "/live"), world.ids))
        assert status == 404, path


async def test_a_signed_out_visitor_is_sent_to_sign_in(world: World, browser: Callable[..., Browser]) -> None:
    person = browser()
    for method, path in ROUTES:
        target = address(path, world.base, world.ids)
        answer = await (person.get(target) if method == "GET" else person.post(target, {}))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in"), path


async def test_an_unknown_mode_is_not_found(world: World, browser: Callable[..., Browser]) -> None:
    person = browser()
    await person.sign_in(world.people["owner"])
    assert (await person.get(f"/cabinet/{world.terms.merchant_id}/staging")).status_code == 404


async def test_forms_of_others_are_refused(world: World, browser: Callable[..., Browser]) -> None:
    """Without the session's token, or from another site, nothing is done."""
    person = browser()
    await person.sign_in(world.people["owner"])
    token = hidden(await person.get("/account"))
    for method, path in ROUTES:
        if method == "POST":
            target = address(path, world.base, world.ids)
            assert (await person.post(target, {})).status_code == 403, path
            answer = await person.post(target, token, **{"Sec-Fetch-Site": "cross-site"})
            assert answer.status_code == 403, path


async def test_lists_hold_nothing_of_others_or_of_the_other_mode(world: World, browser: Callable[..., Browser]) -> None:
    """Pages without an id, of a foreign owner and of one's own live mode, show no id of the merchant's test mode."""
    stranger, owner = browser(), browser()
    await stranger.sign_in(world.stranger)
    await owner.sign_in(world.people["owner"])
    # People, and what they did, belong to both modes.
    of_a_mode = [path for method, path in ROUTES if method == "GET" and "{" not in path and path not in BOTH_MODES]
    own_ids = [
        world.ids[name] for name in ("invoice_id", "payout_id", "refund_id", "key_id", "endpoint_id", "event_id")
    ]
    own_ids += [world.late_invoice.id, world.open_invoice.id, world.paid_invoice.deposits[0].id]
    for path in of_a_mode:
        foreign = (await stranger.get(f"/cabinet/{world.foreign_id}/test{path}")).text
        live = (await owner.get(world.base.replace("/test", "/live") + path)).text
        assert [one for one in own_ids if one in foreign or one in live] == [], path


async def test_pages_show_support_and_accountants_their_work_and_nothing_that_is_refused(
    world: World, browser: Callable[..., Browser]
) -> None:
    support, accountant = browser(), browser()
    await support.sign_in(world.people["support"])
    await accountant.sign_in(world.people["accountant"])

    async def seen(person: Browser, path: str = "", status: int = 200) -> str:
        answer = await person.get(f"{world.base}{path}")
        assert answer.status_code == status, path
        return unescape(answer.text)

    # Every link of what support sees leads to a page that support may open, and no figure of the whole is there.
    home = await seen(support)
    assert "Payments in review" in home
    assert "Balances" not in home
    assert "Last 30 days" not in home
    for path in ("", "/invoices", f"/invoices/{world.paid_invoice.id}", f"/invoices/{world.late_invoice.id}"):
        page = await seen(support, path)
        for link in set(re.findall(rf'href="({world.base}(?:/[^"]*)?)"', page)):
            assert (await support.get(link)).status_code in (200, 303), f"{link} on {path}"
        assert "/payouts" not in page
        assert "/exports" not in page
        assert "shop.example" not in page, "the address of a webhook"
    assert "/exports" not in await seen(support, f"/refunds/{world.ids['refund_id']}") + await seen(support, "/refunds")

    # A refusal stands in the frame, and says which role it takes and whom to ask.
    refused = await seen(support, "/balances", 403)
    assert (
        "Your role, support, does not allow this: it takes the role owner, admin, developer, accountant or viewer."
        in (" ".join(refused.split()))
    )
    assert re.search(r"Ask [^<]+ \(owner\) or [^<]+ \(admin\) for it\.", refused)
    assert f'href="{world.base}/team/roles"' in refused
    assert f'href="{world.base}/invoices"' in refused

    # Support decides on a return address; an accountant sees it, and can't.
    case = f"/reviews/{world.ids['deposit_id']}/return-address"
    form = hidden(await support.get(f"{world.base}{case}"))
    assert 'name="decision"' not in await seen(accountant, case)
    assert (await accountant.post(f"{world.base}{case}", form)).status_code == 403
    decided = await support.post(f"{world.base}{case}", form | {"decision": "confirmed"})
    assert decided.status_code == 303
    assert "The return address is confirmed." in unescape((await support.led_on(decided)).text)

    # An accountant reads the books, and of the audit log what is about money.
    home = await seen(accountant)
    assert "Balances" in home
    assert "New payout" not in home
    for path in ("/audit", "/audit?area=team", f"/audit?about={world.terms.merchant_id}"):
        log = await seen(accountant, path)
        assert "Invited somebody" not in log, path
        assert "Created a webhook" not in log, path
        assert ">Team</option>" not in log
    assert "Confirmed a return address" in await seen(accountant, "/audit?area=return_address")
    assert "Invited somebody" in unescape((await signed_in_owner(world, browser)).text)

    # The page of roles says it in words, for the reader's own role first.
    page = " ".join((await seen(support, "/team/roles")).split())
    assert "Your role is <strong>support</strong>" in page
    row = re.search(r"Request and cancel payouts</th>(.*?)</tr>", page)
    assert row
    assert re.findall(r'data-label="(\w+)">.*?"matrix__word">(\w+)<', row[1]) == [
        *(("Owner", "Yes"), ("Admin", "Yes"), ("Developer", "No"), ("Accountant", "No")),
        *(("Support", "No"), ("Viewer", "No")),
    ]


async def signed_in_owner(world: World, browser: Callable[..., Browser]) -> httpx.Response:
    """The audit log as an owner sees it."""
    owner = browser()
    await owner.sign_in(world.people["owner"])
    return await owner.get(f"{world.base}/audit?area=team")
