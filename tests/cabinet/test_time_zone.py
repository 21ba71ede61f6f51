"""One time zone for each person: offered, chosen, and named wherever times are."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.core import database
from app.core.settings import Settings
from tests.cabinet.people import Colleague, Office, problems
from tests.cabinet.test_keys import issued
from tests.identity.browsing import PASSWORD, Browser, letters, mailed_path

OFFER = "data-zone-offer"


async def choose(person: Colleague, zone: str) -> str:
    """Choose a time zone. Returns the page that the form leads to."""
    answer = await person.browser.send("/account/time-zone", "/account", time_zone=zone)
    return (await person.browser.led_on(answer)).text


async def test_a_zone_is_offered_until_one_is_chosen_and_then_named_on_every_page(office: Office) -> None:
    owner = await office.new_member("owner")
    home = await owner.see("")
    assert OFFER in home
    assert re.search(r"Times are in <strong[^>]*>UTC</strong>", home)
    assert "from now on" in await choose(owner, "Europe/Berlin")
    for page in ("", "keys", "payouts", "team", "audit", "exports"):
        shown = await owner.see(page)
        assert OFFER not in shown
        assert re.search(r"Times are in <strong[^>]*>Europe/Berlin \(UTC\+[12]\)</strong>", shown)
    account = (await owner.browser.get("/account")).text
    assert '<option value="Europe/Berlin" selected>Berlin (UTC+' in account
    assert "Europe/Berlin" in await owner.see("audit"), "the choice is in nobody else's log"


async def test_keeping_utc_is_a_choice_too_and_the_form_leads_back(office: Office) -> None:
    owner = await office.new_member("owner")
    sent = await owner.browser.send("/account/time-zone", owner.path("keys"), time_zone="UTC", next=owner.path("keys"))
    assert sent.headers["location"] == owner.path("keys")
    assert OFFER not in await owner.see("")


@pytest.mark.parametrize("zone", ["", "Europe/Atlantis", "<script>", "../../etc/passwd", "x" * 5000])
async def test_what_is_no_zone_is_refused_and_changes_nothing(office: Office, zone: str) -> None:
    owner = await office.new_member("owner")
    await choose(owner, "Asia/Tokyo")
    refused = await owner.browser.send("/account/time-zone", "/account", time_zone=zone)
    assert refused.status_code == 422
    (words,) = problems(refused)
    assert "time zone" in words
    assert 'value="Owner"' in refused.text, "the other form of the page is as before"
    assert "Asia/Tokyo (UTC+9)" in await owner.see("")


async def test_people_of_one_merchant_see_one_moment_in_their_own_zones(office: Office) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("admin")
    await choose(viewer, "America/New_York")
    await issued(owner)
    at = datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # New York's clock shows half past one twice that night
    await database.execute("UPDATE api_keys SET created_at = $1", at)
    key_id = await database.fetch_value("SELECT id FROM api_keys")
    exact = '<time datetime="2026-11-01T05:30:00Z" title="2026-11-01 05:30:00 UTC">'
    assert f"{exact}1 Nov 2026, 05:30</time>" in await owner.see(f"keys/{key_id}")
    assert f"{exact}1 Nov 2026, 01:30 (UTC−4)</time>" in await viewer.see(f"keys/{key_id}")


async def test_the_last_day_of_a_key_ends_in_the_zone_of_who_sets_it(office: Office) -> None:
    owner = await office.new_member("owner")
    await choose(owner, "Asia/Tokyo")
    await issued(owner, expires_at="2030-06-30")
    assert await database.fetch_value("SELECT expires_at FROM api_keys") == datetime(2030, 6, 30, 15, tzinfo=UTC)
    key_id = await database.fetch_value("SELECT id FROM api_keys")
    assert 'value="2030-06-30"' in await owner.see(f"keys/{key_id}/edit")


async def test_a_day_of_the_audit_log_is_one_of_the_readers_zone(office: Office) -> None:
    owner = await office.new_member("owner")
    await issued(owner)
    await database.execute("ALTER TABLE audit_entries DISABLE TRIGGER USER")
    await database.execute("UPDATE audit_entries SET at = '2026-11-28T15:30:00Z' WHERE action = 'api_key.created'")
    day = "audit?area=api_key&from={0}&to={0}"
    assert "Created an API key" in await owner.see(day.format("2026-11-28"))
    await choose(owner, "Asia/Tokyo")
    assert "Created an API key" not in await owner.see(day.format("2026-11-28"))
    assert "Created an API key" in await owner.see(day.format("2026-11-29"))


async def test_emails_name_times_in_the_recipients_zone(office: Office) -> None:
    owner = await office.new_member("owner")
    await choose(owner, "Asia/Tokyo")
    fields = {"password": owner.account.password, "new_password": "another long phrase 8"}
    assert (await owner.browser.send("/account/password", **fields)).status_code == 303
    (latest, *_) = await letters(owner.account.email)
    assert re.search(r"\nTime: [0-9]{1,2} \w{3} 20[0-9]{2}, [0-9]{2}:[0-9]{2} \(Asia/Tokyo\)\n", latest), latest
    await owner.do("team/invite", {"email": "new@example.test", "role": "viewer"})
    (invited, *_) = await letters("new@example.test")
    assert re.search(r"valid until [0-9]{1,2} \w{3} 20[0-9]{2}, [0-9]{2}:[0-9]{2} \(UTC\)", invited), "no account yet"


@pytest.mark.parametrize(("said", "stored"), [("Asia/Tokyo", "Asia/Tokyo"), ("", None), ("Mars/Olympus", None)])
async def test_a_new_account_gets_the_zone_of_the_browser_that_confirms(
    browser: Callable[..., Browser], settings: Settings, said: str, stored: str | None
) -> None:
    nina, email = browser(), "nina@example.test"
    await nina.send("/sign-up", name="Nina", email=email, password=PASSWORD)
    done = await nina.send("/confirm-email", await mailed_path(email), password=PASSWORD, time_zone=said)
    assert done.status_code == 303
    assert await database.fetch_value("SELECT time_zone FROM accounts WHERE email = $1", email) == stored
