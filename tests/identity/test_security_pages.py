"""Two-step verification, sessions, and a stolen cookie, which allows reading only."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from app.core import clock, database
from app.core.settings import Settings
from app.identity import cookies
from tests.identity.browsing import Account, Browser, an_account, enrol, hidden, letters, mailed_path, with_cookie_of

Browsers = Callable[..., Browser]


async def test_setting_up_an_authenticator_ends_earlier_sessions(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    mara, elsewhere = browser(), browser()
    await elsewhere.sign_in(account)
    await mara.sign_in(account)
    before = mara.session
    account, codes = await enrol(mara, account)
    assert len(set(codes)) == 10
    assert mara.session != before
    assert await mara.is_signed_in()
    assert not await elsewhere.is_signed_in()
    page = (await mara.get("/account/security")).text
    assert codes[0] not in page
    assert "10 of 10 left" in page
    assert "authenticator app was set up" in (await letters(account.email))[0]
    await elsewhere.sign_in(account)
    assert await elsewhere.is_signed_in()


async def test_an_offered_secret_is_not_stored_and_valid_in_its_session_only(
    browser: Browsers, settings: Settings
) -> None:
    account = await an_account(settings)
    mara, thief = browser(), browser()
    await mara.sign_in(account)
    await thief.sign_in(account)
    sent = await mara.send("/account/security/authenticator", password=account.password)
    offered = await mara.led_on(sent)
    again = await mara.led_on(sent)
    assert again.headers["location"] == "/account/security/authenticator"  # it is shown once
    fields = hidden(await thief.get("/account/security/authenticator")) | {"offer": hidden(offered)["offer"]}
    answer = await thief.post("/account/security/authenticator/confirm", fields | {"code": "123456"})
    assert answer.headers["location"] == "/account/security/authenticator"
    wrong = await mara.post("/account/security/authenticator/confirm", hidden(offered) | {"code": "123456"})
    assert wrong.status_code == 422
    assert hidden(wrong)["offer"] == hidden(offered)["offer"]
    clock.shift(timedelta(minutes=31))
    late = await mara.post("/account/security/authenticator/confirm", hidden(offered) | {"code": "123456"})
    assert late.status_code == 303
    assert await database.fetch_value("SELECT totp_secret_sealed FROM accounts") is None


async def test_an_offer_is_valid_once_and_until_the_credentials_change(browser: Browsers, settings: Settings) -> None:
    """Its code is no fresh code for other forms, because the sender knows the secret."""
    account, mara, confirm = await an_account(settings), browser(), "/account/security/authenticator/confirm"
    await mara.sign_in(account)
    made = await mara.send("/account/security/authenticator", password=account.password)
    offered = hidden(await mara.led_on(made))
    account, codes = await enrol(mara, account)
    for sent in (offered, hidden(await mara.get("/account/security")) | {"offer": offered["offer"]}):
        again = await mara.post(confirm, sent | {"code": "123456"})
        assert again.headers["location"] == "/account/security/authenticator"

    reply = await mara.send("/account/security/recovery-codes")
    assert 'id="error-code"' in reply.text, "the code that set it up counts as one that was given"
    off = {"password": account.password, "code": account.code()}
    assert (await mara.send("/account/security/authenticator/off", **off)).status_code == 303
    assert (await mara.post(confirm, offered | {"code": account.code()})).status_code == 303
    row = await database.fetch_one("SELECT totp_secret_sealed, (SELECT count(*) FROM recovery_codes) FROM accounts")
    assert row is not None
    assert tuple(row) == (None, 0)
    assert len(codes) == 10


async def test_a_used_offer_is_refused_and_the_counter_only_increases(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings), browser()
    await mara.sign_in(account)
    offered = await mara.led_on(await mara.send("/account/security/authenticator", password=account.password))
    secret = "".join(re.findall(r"<span>([A-Z2-7]{4})</span>", offered.text))
    enrolled = Account(account.id, account.email, account.password, secret)
    confirm, fields, code = "/account/security/authenticator/confirm", hidden(offered), enrolled.code()
    await database.execute("UPDATE accounts SET totp_last_counter = $1", int(clock.now().timestamp()) // 30 + 1)
    early = await mara.post(confirm, fields | {"code": code})
    assert early.status_code == 422
    assert "used already" in early.text
    clock.shift(timedelta(seconds=30))
    code = enrolled.code()
    assert (await mara.post(confirm, fields | {"code": code})).status_code == 303
    reached = await database.fetch_value("SELECT totp_last_counter FROM accounts")
    kept = await database.fetch_all("SELECT code_hash FROM recovery_codes ORDER BY id")
    for other in (code, enrolled.code()):  # with a form of its own: a form sent twice is carried out once anyhow
        form = hidden(await mara.get("/account/security")) | {"offer": fields["offer"], "code": other}
        again = await mara.post(confirm, form)
        assert again.headers["location"] == "/account/security/authenticator"
    assert await database.fetch_value("SELECT totp_last_counter FROM accounts") == reached
    assert await database.fetch_all("SELECT code_hash FROM recovery_codes ORDER BY id") == kept


async def test_every_change_of_credentials_draws_a_new_token(browser: Browsers, settings: Settings) -> None:
    """A cookie that was copied before no longer works, and the browser that made the change stays signed in."""
    account, mara = await an_account(settings), browser()
    await mara.sign_in(account)

    async def changed(path: str, page: str | None = None, **fields: str) -> None:
        thief = with_cookie_of(browser("203.0.113.66"), mara)
        assert await thief.is_signed_in()
        done = await mara.send(path, page, **fields)
        assert done.status_code in (200, 303), (path, done.text)
        assert await mara.is_signed_in(), path
        assert not await thief.is_signed_in(), path

    new = "quite another phrase 8"
    await changed("/account/password", password=account.password, new_password=new)
    await changed("/account/security/sessions/end-others", "/account/security")
    thief = with_cookie_of(browser("203.0.113.66"), mara)
    account, _ = await enrol(mara, Account(account.id, account.email, new, None))
    assert not await thief.is_signed_in()
    await mara.send("/account/email", email="new@example.test", password=new, code=account.code())
    # No code is wanted for what follows: one was given within the last ten minutes, so no new token is drawn.
    await changed("/confirm-email/change", await mailed_path("new@example.test"))
    await changed("/account/security/recovery-codes")
    await changed("/account/security/authenticator/off", password=new)


SENSITIVE = {
    "/account/email": {"email": "thief@example.test"},
    "/account/password": {"new_password": "the thief's own 1"},
    "/account/security/authenticator": {},
    "/account/security/authenticator/off": {},
    "/account/security/recovery-codes": {},
}


@pytest.mark.parametrize("path", SENSITIVE)
async def test_a_stolen_cookie_does_nothing_sensitive_without_a_code(
    browser: Browsers, settings: Settings, path: str
) -> None:
    account, mara = await an_account(settings, totp=True), browser()
    await mara.sign_in(account)
    clock.shift(timedelta(minutes=10))
    thief = with_cookie_of(browser("203.0.113.66"), mara)
    for code in ("", "000000"):
        answer = await thief.send(path, **SENSITIVE[path], password=account.password, code=code)
        assert answer.status_code == 422
        assert 'id="error-code"' in answer.text
    unchanged = await database.fetch_one("SELECT email, totp_secret_sealed FROM accounts")
    assert unchanged is not None
    assert unchanged["email"] == account.email
    assert unchanged["totp_secret_sealed"] is not None
    # The owner gives a code: it works, and the session has a new token, so the thief is out altogether.
    fields = SENSITIVE[path] | {"password": account.password, "code": account.code()}
    done = await mara.send(path, **fields)
    assert done.status_code in (200, 303), done.text
    assert await mara.is_signed_in()
    assert not await thief.is_signed_in()


async def test_a_code_is_valid_for_ten_minutes_and_used_once(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings, totp=True), browser()
    await mara.sign_in(account)
    path = "/account/security/recovery-codes"
    assert (await mara.send(path)).status_code == 303
    clock.shift(timedelta(minutes=9, seconds=59))
    assert (await mara.send(path)).status_code == 303
    clock.shift(timedelta(seconds=1))
    assert 'name="code"' in (await mara.get(path)).text
    assert (await mara.send(path)).status_code == 422
    code = account.code()
    assert (await mara.send(path, code=code)).status_code == 303
    clock.shift(timedelta(minutes=10))
    assert (await mara.send(path, code=code)).status_code == 422


async def test_one_code_for_twenty_actions_at_once_allows_only_one(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings, totp=True), browser()
    await mara.sign_in(account)
    clock.shift(timedelta(minutes=10))
    path = "/account/security/recovery-codes"
    code = {"code": account.code()}
    forms = [hidden(await mara.get(path)) | code for _ in range(20)]
    cookie = {"Cookie": f"{cookies.SESSION}={mara.session}"}
    answers = await asyncio.gather(*(browser().post(path, form, **cookie) for form in forms))
    assert sum(answer.headers.get("location") == f"{path}/shown" for answer in answers) == 1
    assert await database.fetch_value("SELECT count(*) FROM recovery_codes") == 10


async def test_of_parallel_wrong_codes_five_are_checked(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings, totp=True), browser()
    await mara.sign_in(account)
    clock.shift(timedelta(minutes=10))
    path = "/account/security/recovery-codes"
    fields = hidden(await mara.get(path))
    answers = await asyncio.gather(*(mara.post(path, fields | {"code": f"{number:06}"}) for number in range(30)))
    assert sum("That code is wrong" in answer.text for answer in answers) <= 5
    assert sum("Too many codes" in answer.text for answer in answers) >= 25
    assert "Too many codes" in (await mara.send(path, code=account.code())).text


async def test_sessions_are_listed_and_ended_one_or_all(browser: Browsers, settings: Settings) -> None:
    account = await an_account(settings)
    mara, phone, laptop = browser(), browser("198.51.100.1"), browser("198.51.100.2")
    phone.client.headers["User-Agent"] = "A Phone <script>"
    for each in (mara, phone, laptop):
        await each.sign_in(account)
    page = await mara.get("/account/security")
    assert "A Phone &lt;script&gt;" in page.text
    assert "198.51.100.2" in page.text
    ends = [
        row["id"]
        for row in await database.fetch_all("SELECT id FROM sessions WHERE address LIKE '198%' ORDER BY address")
    ]
    assert (await mara.send(f"/account/security/sessions/{ends[0]}/end", "/account/security")).status_code == 303
    assert not await phone.is_signed_in()
    assert await laptop.is_signed_in()
    stranger = browser()
    await stranger.sign_in(await an_account(settings, "stranger@example.test"))
    assert (await stranger.send(f"/account/security/sessions/{ends[1]}/end", "/account/security")).status_code == 404
    assert await laptop.is_signed_in()
    assert (await mara.send("/account/security/sessions/end-others", "/account/security")).status_code == 303
    assert not await laptop.is_signed_in()
    assert await mara.is_signed_in()
    assert await stranger.is_signed_in()


async def test_merchants_may_turn_it_off_and_operators_may_not(browser: Browsers, settings: Settings) -> None:
    for email, is_operator, status in (("m@example.test", False, 303), ("o@example.test", True, 422)):
        account: Account = await an_account(settings, email, totp=True, is_operator=is_operator)
        person = browser()
        await person.sign_in(account)
        page = "/account/security/authenticator"
        answer = await person.send("/account/security/authenticator/off", page, password=account.password)
        assert answer.status_code == status
        sealed = await database.fetch_value("SELECT totp_secret_sealed FROM accounts WHERE email = $1", email)
        assert (sealed is None) == (status == 303)
    assert "asks for no code" in (await letters("m@example.test"))[0]


async def test_everything_is_in_the_audit_log_and_no_secret_is(
    browser: Browsers, settings: Settings, captured_log: Callable[[], str]
) -> None:
    account, mara = await an_account(settings), browser()
    first = await mara.sign_in(account)
    account, codes = await enrol(mara, account)
    await mara.send("/account/security/recovery-codes", code=account.code())
    await mara.send("/account/password", password=account.password, new_password="a canary of a phrase")
    tokens = [str(mara.session), first.headers["set-cookie"].partition("=")[2].partition(";")[0]]
    clock.shift(timedelta(minutes=10))
    code = account.code()
    await mara.send("/account/security/authenticator/off", password="a canary of a phrase", code=code)
    await mara.send("/forgot-password", email=account.email)
    await mara.send("/sign-out", "/account")
    rows = await database.fetch_all("SELECT * FROM audit_entries ORDER BY id")
    actions = {row["action"] for row in rows}
    assert actions >= {
        *("signed_in", "totp.turned_on", "recovery_codes.made", "password.changed", "totp.turned_off"),
        *("password.reset_asked", "signed_out"),
    }
    assert all(row["address"] == "192.0.2.1" for row in rows)
    written = str([dict(row) for row in rows]) + captured_log()
    assert account.totp_secret is not None
    for canary in (account.password, "a canary of a phrase", account.totp_secret, codes[0], code, *tokens):
        assert canary not in written
