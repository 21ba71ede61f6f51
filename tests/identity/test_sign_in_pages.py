"""Signing in and out: what is required, and what strangers learn."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

import pytest
from argon2 import PasswordHasher

from app.accounts import passwords
from app.core import clock, database
from app.core.settings import Settings
from app.identity import cookies
from tests.identity.browsing import Account, Browser, an_account, enrol, hidden, letters, without_ids
from tests.work import work

Browsers = Callable[..., Browser]


async def test_a_password_opens_the_account_and_signing_out_closes_it_at_once(
    browser: Browsers, settings: Settings
) -> None:
    mara, account = browser(), await an_account(settings)
    answer = await mara.sign_in(account)
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith(cookies.SESSION))
    for attribute in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"):
        assert attribute in cookie.split("; ")
    assert "Domain" not in cookie
    assert await mara.is_signed_in()
    thief = browser()
    thief.client.cookies.set(cookies.SESSION, mara.session or "", domain="pay.example.test")
    assert await thief.is_signed_in()

    assert (await mara.send("/sign-out", "/account")).headers["location"] == "/sign-in"
    assert not await mara.is_signed_in()
    assert not await thief.is_signed_in()


async def test_with_an_authenticator_the_password_alone_opens_nothing(browser: Browsers, settings: Settings) -> None:
    mara, account = browser(), await an_account(settings, totp=True)
    answer = await mara.send("/sign-in", email=account.email.upper(), password=account.password)
    assert answer.headers["location"] == "/sign-in/code"
    assert mara.session is None
    assert not await mara.is_signed_in()
    assert re.search(r'<input [^>]*name="code"[^>]* autofocus', (await mara.get("/sign-in/code")).text), (
        "one types at once"
    )
    wrong = await mara.send("/sign-in/code", code="000000")
    assert wrong.status_code == 422
    assert "wrong" in wrong.text
    right = await mara.send("/sign-in/code", code=account.code())
    assert right.status_code == 303
    assert await mara.is_signed_in()


async def test_every_step_replaces_a_planted_token(browser: Browsers, settings: Settings) -> None:
    mara, account = browser(), await an_account(settings, totp=True)
    planted = "planted" + "x" * 36
    for name in (cookies.SESSION, cookies.VISIT):
        mara.client.cookies.set(name, planted, domain="pay.example.test")
    await mara.send("/sign-in", email=account.email, password=account.password)
    waiting = mara.client.cookies.get(cookies.VISIT)
    assert waiting != planted
    await mara.send("/sign-in/code", code=account.code())
    assert mara.session not in (None, planted, waiting)
    # The tokens from before don't work.
    thief = browser()
    thief.client.cookies.set(cookies.SESSION, planted, domain="pay.example.test")
    thief.client.cookies.set(cookies.VISIT, waiting or "", domain="pay.example.test")
    assert not await thief.is_signed_in()
    assert (await thief.get("/sign-in/code")).headers["location"] == "/sign-in"


async def test_one_code_twenty_times_at_once_signs_one_in(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings, totp=True)
    clients = [browser(f"192.0.2.{number}") for number in range(4)]
    for client in clients:
        await client.send("/sign-in", email=account.email, password=account.password)
    code, forms = account.code(), [hidden(await client.get("/sign-in/code")) for client in clients]
    answers = await asyncio.gather(
        *(
            client.post("/sign-in/code", form | {"code": code})
            for client, form in zip(clients, forms, strict=True)
            for _ in range(5)
        )
    )
    assert sum(answer.status_code == 303 and answer.headers["location"] == "/cabinet" for answer in answers) == 1
    assert await database.fetch_value("SELECT count(*) FROM sessions") == 1


async def test_a_half_sign_in_ends_by_itself_and_with_a_new_password(browser: Browsers, settings: Settings) -> None:
    mara, account = browser(), await an_account(settings, totp=True)
    await mara.send("/sign-in", email=account.email, password=account.password)
    clock.shift(timedelta(minutes=10))
    assert (await mara.get("/sign-in/code")).headers["location"] == "/sign-in"


async def test_of_parallel_wrong_passwords_ten_are_checked(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    thief = browser()
    form = hidden(await thief.get("/sign-in")) | {"email": account.email}
    answers = await asyncio.gather(
        *(
            thief.post("/sign-in", form | {"password": f"guess number {number}"}, **{"HX-Request": "true"})
            for number in range(40)  # the same form: its page would show the errors of the last one alone
        )
    )
    assert {answer.status_code for answer in answers} == {422}
    assert sum("Too many attempts" in answer.text for answer in answers) == 30
    looked = await database.fetch_value("SELECT count(*) FROM audit_entries WHERE action = 'sign_in.password_refused'")
    assert looked == 10
    right = await thief.post("/sign-in", form | {"password": account.password})
    assert "Too many attempts" in right.text
    # The owner, at another address, is not locked out by one attacker.
    assert (await browser("198.51.100.9").sign_in(account)).status_code == 303


async def test_strangers_learn_nothing_from_answers(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    strangers = {account.email: browser(), "nobody@example.test": browser()}
    pages = []
    for email, stranger in strangers.items():
        answer = await stranger.send("/sign-in", email=email, password="not the password")
        assert answer.status_code == 422
        pages.append(without_ids(answer).replace(email, "*"))
    assert pages[0] == pages[1]
    # And the throttled answers are alike too.
    for email, stranger in strangers.items():
        for _ in range(9):
            await stranger.send("/sign-in", email=email, password="not the password")
        assert "Too many attempts" in (await stranger.send("/sign-in", email=email, password="no")).text


async def test_unknown_addresses_cost_the_same_work(
    browser: Browsers, settings: Settings, full_cost_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await an_account(settings)
    compared: list[str] = []
    costs = []

    class Counting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            compared.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr(passwords, "hasher", Counting())
    passwords.dummy_hash.cache_clear()  # computed anew, at full cost, before anybody signs in
    passwords.dummy_hash()
    for number, email in enumerate((account.email, "nobody@example.test"), start=1):
        with work() as done:
            assert (await browser().send("/sign-in", email=email, password="not the password")).status_code == 422
        costs.append(done.cost)
        assert len(compared) == number
    assert costs[0] == costs[1]
    assert full_cost_hasher.hash("any").split("$")[:4] == compared[1].split("$")[:4]
    passwords.dummy_hash.cache_clear()


async def test_a_recovery_code_works_once_and_its_owner_gets_a_letter(browser: Browsers, settings: Settings) -> None:
    mara, account = browser(), await an_account(settings)
    await mara.sign_in(account)
    account, codes = await enrol(mara, account)
    for attempt, status in ((1, 303), (2, 422)):
        elsewhere = browser(f"198.51.100.{attempt}")
        await elsewhere.send("/sign-in", email=account.email, password=account.password)
        assert (await elsewhere.send("/sign-in/code", code=codes[0])).status_code == status
    assert "9 are left" in (await letters(account.email))[0]


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        ("/account/security?tab=1", "/account/security?tab=1"),
        ("https://evil.example/", "/cabinet"),
        ("//evil.example/", "/cabinet"),
        ("/\\evil.example/", "/cabinet"),
        ("/\t/evil.example/", "/cabinet"),
        ("javascript:alert(1)", "/cabinet"),
    ],
)
async def test_sign_in_redirects_to_our_own_pages_only(
    browser: Browsers, settings: Settings, wanted: str, target: str
) -> None:
    mara, account = browser(), await an_account(settings)
    fields = hidden(await mara.get("/sign-in")) | {"email": account.email, "password": account.password}
    answer = await mara.post("/sign-in", fields | {"next": wanted})
    assert answer.headers["location"] == target


async def test_signed_out_people_are_sent_to_sign_in_and_come_back(browser: Browsers, settings: Settings) -> None:
    mara, account = browser(), await an_account(settings, is_operator=True, totp=True)
    sent = await mara.get("/account/security?a=b")
    assert sent.headers["location"] == "/sign-in?next=/account/security%3Fa%3Db"
    step = await mara.send("/sign-in", sent.headers["location"], email=account.email, password=account.password)
    done = await mara.send("/sign-in/code", step.headers["location"], code=account.code())
    assert done.headers["location"] == "/account/security?a=b"


async def test_a_new_sign_in_ends_the_browsers_last_session(browser: Browsers, settings: Settings) -> None:
    mara, account = browser(), await an_account(settings)
    await mara.sign_in(account)
    other: Account = await an_account(settings, "other@example.test")
    form = {"email": other.email, "password": other.password}
    # A tab that was open from before, with a form of the signed-out page.
    before = browser()
    fields = hidden(await before.get("/sign-in")) | form
    before.client.cookies.set(cookies.SESSION, mara.session or "", domain="pay.example.test")
    assert (await before.post("/sign-in", fields)).status_code == 303
    assert not await mara.is_signed_in()
    assert other.email in (await before.get("/account")).text
