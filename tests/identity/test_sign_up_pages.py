"""Signing up: a letter, a confirmation with the password, an account. Strangers learn nothing."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.accounts import links_repository
from app.core import clock, database
from app.core.settings import Settings
from tests.identity.browsing import PASSWORD, Browser, an_account, letters, mailed_path, without_ids
from tests.work import work

Browsers = Callable[..., Browser]
WHO = {"name": "Nina New", "email": "Nina@Example.test", "password": PASSWORD}
EMAIL = "nina@example.test"


async def test_there_is_an_account_once_the_mailbox_has_confirmed(browser: Browsers, settings: Settings) -> None:
    nina = browser()
    assert (await nina.send("/sign-up", **WHO)).headers["location"] == "/sign-up/sent"
    early = await browser().send("/sign-in", email=EMAIL, password=PASSWORD)
    assert early.status_code == 422
    path = await mailed_path(EMAIL)
    # A scanner opens the link, as often as it likes, from anywhere.
    for _ in range(3):
        assert (await browser("203.0.113.5").get(path)).status_code == 200
    assert await database.fetch_value("SELECT count(*) FROM accounts") == 0

    done = await nina.send("/confirm-email", path, password=PASSWORD)
    assert done.headers["location"] == "/cabinet"
    assert await nina.is_signed_in()
    assert (await nina.get(path)).status_code == 410
    row = await database.fetch_one("SELECT email, name, is_operator, totp_secret_sealed FROM accounts")
    assert row is not None
    assert tuple(row) == (EMAIL, "Nina New", False, None)


async def test_only_the_password_that_was_chosen_confirms(browser: Browsers, settings: Settings) -> None:
    await browser("203.0.113.66").send("/sign-up", **WHO | {"password": "the stranger's own 1"})
    path = await mailed_path(EMAIL)
    refused = await browser().send("/confirm-email", path, password="what nina would type")
    assert refused.status_code == 422
    assert "not the password that you chose" in refused.text
    assert await database.fetch_value("SELECT count(*) FROM accounts") == 0


async def test_strangers_can_not_tell_who_has_an_account(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    answers, took, costs = [], [], []
    for email in (account.email, EMAIL):
        started = time.perf_counter()
        with work() as done:
            answers.append(await browser().send("/sign-up", **WHO | {"email": email}))
        took.append(time.perf_counter() - started)
        costs.append(done.cost)
    assert {answer.status_code for answer in answers} == {303}
    assert answers[0].content == answers[1].content
    assert min(took) >= 0.5
    assert costs[0] == costs[1]
    assert done.hashes == 1
    # Both tables grew alike; only the mailbox tells.
    assert await database.fetch_value("SELECT count(*) FROM mailed_links") == 2
    assert "already have" in (await letters(account.email))[0]
    assert "token=" not in (await letters(account.email))[0]
    assert (await browser().sign_in(account)).status_code == 303


async def test_a_link_expires_after_a_day_and_is_purged(browser: Browsers, settings: Settings) -> None:
    await browser().send("/sign-up", **WHO)
    path = await mailed_path(EMAIL)
    clock.shift(timedelta(hours=24))
    assert (await browser().get(path)).status_code == 410
    assert await links_repository.purge(clock.now()) == 1


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("password", "password", "among the first"),
        ("password", "seven77", "8 to 128"),
        ("email", "no address", "not a whole email address"),
        ("name", "", "Enter your name."),
        ("name", "a\u200bb", "can’t be shown"),
    ],
)
async def test_errors_are_shown_beside_their_field(browser: Browsers, field: str, value: str, words: str) -> None:
    answer = await browser().send("/sign-up", **WHO | {field: value})
    assert answer.status_code == 422
    assert words in answer.text
    assert f'id="error-{field}"' in answer.text
    assert PASSWORD not in answer.text


async def test_sign_ups_send_a_mailbox_a_limited_number_of_letters(browser: Browsers) -> None:
    answers = [await browser(f"192.0.2.{number}").send("/sign-up", **WHO) for number in range(7)]
    assert {(answer.status_code, without_ids(answer)) for answer in answers} == {(303, "")}
    assert len(await letters(EMAIL)) == 5
