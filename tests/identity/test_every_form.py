"""Every form outside a merchant's pages and the desk, as the app lists them; and the host in letters' links."""

import re
from collections.abc import Callable

import pytest

from app.core.settings import Settings
from app.web.edge import Edge
from tests.identity.browsing import PASSWORD, Browser, an_account, hidden, letters

Browsers = Callable[..., Browser]

ELSEWHERE = ("/api/", "/desk", "/cabinet/{merchant_id", "/pay/", "/l/")
"""Walked by tests of their own: keys, operators, members; the forms of customers' pages need no session."""

SIGNED_OUT = ("/sign-in", "/sign-up", "/confirm-email", "/forgot-password", "/reset-password", "/not-me")

TRICKS: dict[str, dict[str, str]] = {
    "another host": {"Host": "evil.example"},
    "forwarded host": {"X-Forwarded-Host": "evil.example"},
    "forwarded": {"Forwarded": "host=evil.example;proto=http"},
    "original address": {"X-Original-URL": "https://evil.example/", "X-Rewrite-URL": "https://evil.example/"},
    "two names in one": {"Host": "pay.example.test@evil.example"},
}


def forms(app: Edge) -> list[str]:
    """The paths of all POST routes, with ids that do not exist."""
    found = {
        re.sub(r"\{\w+:\w+\}", "SES-0000000000", re.sub(r"\{\w+:int\}", "1", route.path))
        for route in app._app.routes
        if "POST" in getattr(route, "methods", ()) and not route.path.startswith(ELSEWHERE)
    }
    assert len(found) >= 12, found
    return sorted(found)


async def test_a_form_of_nobody_of_another_or_from_elsewhere_is_refused(
    app: Edge, browser: Browsers, settings: Settings
) -> None:
    mara, stranger = browser(), browser()
    await mara.sign_in(await an_account(settings))
    await stranger.sign_in(await an_account(settings, "stranger@example.test"))
    own, theirs = hidden(await mara.get("/account")), hidden(await stranger.get("/account"))
    visitor, other_visitor = browser(), browser()
    visit, other_visit = hidden(await visitor.get("/sign-up")), hidden(await other_visitor.get("/sign-up"))
    for path in forms(app):
        signed_out = path.startswith(SIGNED_OUT) or path == "/invitation"
        sender, token, foreign = (visitor, visit, other_visit) if signed_out else (mara, own, theirs)
        refused = [
            await sender.post(path, {}),
            await sender.post(path, foreign),
            await sender.post(path, token, **{"Sec-Fetch-Site": "cross-site"}),
            await sender.post(path, token, **{"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example"}),
        ]
        assert [answer.status_code for answer in refused] == [403] * 4, path
        assert (await sender.post(path, token)).status_code != 403, f"{path} takes nobody's form"
        if path == "/sign-out":
            await mara.sign_in(await an_account(settings, "again@example.test"))
            own = hidden(await mara.get("/account"))


@pytest.mark.parametrize("trick", TRICKS)
async def test_links_in_letters_use_our_own_host_whatever_a_request_says(
    browser: Browsers, settings: Settings, trick: str
) -> None:
    account, thief = await an_account(settings), browser()
    fields = hidden(await thief.get("/forgot-password")) | {"email": account.email}
    signed_up = hidden(await thief.get("/sign-up")) | {"email": "n@example.test", "name": "N", "password": PASSWORD}
    await thief.post("/forgot-password", fields, **TRICKS[trick])
    await thief.post("/sign-up", signed_up, **TRICKS[trick])
    written = await letters(account.email) + await letters("n@example.test")
    for letter in written:
        links = re.findall(r"\w+://[^\s/]+", letter)
        assert set(links) == {"https://pay.example.test"}, letter
    if "Host" not in TRICKS[trick]:
        assert len(written) == 2
