"""Forgotten and changed passwords: what they end, what they leave, and what strangers learn."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import timedelta

from app.core import clock, database
from app.core.settings import Settings
from tests.identity.browsing import Account, Browser, an_account, hidden, letters, mailed_path, with_cookie_of
from tests.signer.processes import swap_pay
from tests.work import work

Browsers = Callable[..., Browser]
NEW = "quite another phrase 8"


async def test_a_reset_ends_every_session_and_never_removes_the_second_step(
    browser: Browsers, settings: Settings
) -> None:
    account = await an_account(settings, totp=True)
    mara, forgetful = browser(), browser()
    await mara.sign_in(account)
    half = browser()
    await half.send("/sign-in", email=account.email, password=account.password)

    assert (await forgetful.send("/forgot-password", email=account.email)).status_code == 303
    path = await mailed_path(account.email)
    assert (await browser().get(path)).status_code == 200
    done = await forgetful.send("/reset-password", path, password=NEW)
    assert done.headers["location"] == "/sign-in"
    assert forgetful.session is None
    assert not await mara.is_signed_in()
    assert (await half.get("/sign-in/code")).headers["location"] == "/sign-in"
    assert "was changed" in (await letters(account.email))[0]

    assert (await browser().send("/sign-in", email=account.email, password=account.password)).status_code == 422
    again = await forgetful.send("/sign-in", email=account.email, password=NEW)
    assert again.headers["location"] == "/sign-in/code"
    assert not await forgetful.is_signed_in()
    await forgetful.send("/sign-in/code", code=account.code())
    assert await forgetful.is_signed_in()


async def test_a_link_resets_once_for_an_hour_and_the_latest_password_counts(
    browser: Browsers, settings: Settings
) -> None:
    account, mara = await an_account(settings), browser()
    await mara.send("/forgot-password", email=account.email)
    first = await mailed_path(account.email)
    fields = hidden(await mara.get(first))
    assert (await mara.send("/reset-password", first, password="password")).status_code == 422
    assert (await mara.post("/reset-password", fields | {"password": NEW})).status_code == 303
    assert (await mara.post("/reset-password", fields | {"password": "a third phrase 9"})).status_code == 410
    await mara.send("/forgot-password", email=account.email)
    second = await mailed_path(account.email)
    clock.shift(timedelta(hours=1))
    assert (await mara.get(second)).status_code == 410


async def test_strangers_can_not_tell_who_has_an_account(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    answers, took, costs = [], [], []
    for email in (account.email, "nobody@example.test"):
        started = time.perf_counter()
        with work() as done:
            answers.append(await browser().send("/forgot-password", email=email))
        took.append(time.perf_counter() - started)
        costs.append(done.cost)
    assert {answer.status_code for answer in answers} == {303}
    assert answers[0].content == answers[1].content
    assert answers[0].headers["location"] == answers[1].headers["location"]
    # Half a second hides the few statements that a letter costs more; a hash it would not.
    assert min(took) >= 0.5
    assert max(statements for statements, _ in costs) < 20
    assert {hashes for _, hashes in costs} == {0}
    assert await letters("nobody@example.test") == []


async def test_an_operator_made_with_a_link_chooses_the_password_by_it(
    browser: Browsers, environment: dict[str, str]
) -> None:
    who = ("--email", "otto@example.test", "--name", "Otto Operator")
    done = await asyncio.to_thread(swap_pay, environment, "create-operator", *who, "--link", "--json")
    made = json.loads(done.stdout)
    otto, path = browser(), made["password_url"].removeprefix(environment["PUBLIC_URL"])
    assert (await otto.send("/reset-password", path, password=NEW)).headers["location"] == "/sign-in"
    assert (await browser().get(path)).status_code == 410
    await otto.sign_in(Account(made["id"], made["email"], NEW, made["totp_secret"]))
    assert (await otto.get("/desk")).status_code == 200


async def test_a_changed_password_signs_out_everywhere_else(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    mara, elsewhere = browser(), browser()
    await mara.sign_in(account)
    await elsewhere.sign_in(account)
    wrong = await mara.send("/account/password", password="not mine at all", new_password=NEW)
    assert wrong.status_code == 422
    assert "not your password" in wrong.text
    done = await mara.send("/account/password", password=account.password, new_password=NEW)
    assert done.status_code == 303
    assert await mara.is_signed_in()
    assert not await elsewhere.is_signed_in()
    assert "every other browser was signed out" in (await letters(account.email))[0]
    changed = Account(account.id, account.email, NEW, None)
    assert (await browser().sign_in(changed)).status_code == 303


async def test_an_address_changes_when_the_new_mailbox_confirms_it(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings), browser()
    await mara.sign_in(account)
    new = "mara.new@example.test"
    assert (await mara.send("/account/email", email=new, password=account.password)).status_code == 303
    assert "about to change" in (await letters(account.email))[0]
    assert account.email in (await mara.get("/account")).text
    path = await mailed_path(new)
    for _ in range(2):
        assert (await browser().get(path)).status_code == 200
    thief = with_cookie_of(browser(), mara)
    done = await mara.send("/confirm-email/change", path)
    assert done.headers["location"] == "/account"
    assert await database.fetch_value("SELECT email FROM accounts") == new
    assert "was changed" in (await letters(account.email))[0]
    assert (await mara.get(path)).status_code == 410
    assert new in (await mara.get("/account")).text
    assert not await thief.is_signed_in()


async def test_an_address_changed_from_another_browser_signs_everybody_out(
    browser: Browsers, settings: Settings
) -> None:
    account, mara = await an_account(settings), browser()
    await mara.sign_in(account)
    await mara.send("/account/email", email="mara.new@example.test", password=account.password)
    reader = browser()
    done = await reader.send("/confirm-email/change", await mailed_path("mara.new@example.test"))
    assert done.headers["location"] == "/sign-in"
    assert "mara.new@example.test from now on" in (await reader.get("/sign-in")).text
    assert not await mara.is_signed_in()
    assert await reader.sign_in(Account(account.id, "mara.new@example.test", account.password, None))
    assert await reader.is_signed_in()


async def test_the_reset_that_the_warning_asks_for_ends_a_thiefs_change_of_address(
    browser: Browsers, settings: Settings
) -> None:
    account, thief, mara = await an_account(settings), browser("203.0.113.66"), browser()
    await thief.sign_in(account)
    await thief.send("/account/email", email="thief@example.test", password=account.password)
    path = await mailed_path("thief@example.test")
    fields = hidden(await thief.get(path))
    assert "/forgot-password" in (await letters(account.email))[0]

    await mara.send("/forgot-password", email=account.email)
    await mara.send("/reset-password", await mailed_path(account.email), password=NEW)

    assert (await thief.get(path)).status_code == 410
    assert (await thief.post("/confirm-email/change", fields)).status_code == 410
    assert await database.fetch_value("SELECT email FROM accounts") == account.email
    assert (await mara.sign_in(Account(account.id, account.email, NEW, None))).headers["location"] == "/cabinet"


async def test_the_owner_of_a_taken_address_gets_a_letter_and_the_requester_learns_nothing(
    browser: Browsers, settings: Settings
) -> None:
    account, other = await an_account(settings), await an_account(settings, "other@example.test")
    mara = browser()
    await mara.sign_in(account)
    assert (await mara.send("/account/email", email=other.email, password=account.password)).status_code == 303
    assert "already have" in (await letters(other.email))[0]
    assert "token=" not in (await letters(other.email))[0]
