"""Uses of forms: each form is carried out once; secrets are shown once; old rows are purged."""

import asyncio
from datetime import timedelta

import pytest

from app.accounts import form_uses
from app.accounts.form_uses import KEPT, LOST_AFTER, SECRET_WAITS, FormUse
from app.core import clock, database
from app.core.errors import ApiError, Code
from app.core.settings import Settings

ONE = FormUse.of(account_id="ACC-1", address="/a", key="k")


def test_another_account_address_or_key_is_another_form() -> None:
    others = {
        FormUse.of(account_id=account_id, address=address, key=key).id
        for account_id, address, key in (("ACC-2", "/a", "k"), ("ACC-1", "/b", "k"), ("ACC-1", "/a", "l"))
    }
    assert len(others | {ONE.id}) == 4


async def test_of_ten_submissions_at_once_one_is_carried_out_and_nine_get_its_redirect(
    db: str, settings: Settings
) -> None:
    carried_out = 0

    async def send() -> str:
        nonlocal carried_out
        led_to = await form_uses.begin(ONE, "SES-1")
        if led_to is None:
            carried_out += 1
            await asyncio.sleep(0.1)
            await form_uses.finish(ONE, "/made", None, settings.data_keys)
        return led_to or "/made"

    assert await asyncio.gather(*(send() for _ in range(10))) == ["/made"] * 10
    assert carried_out == 1
    assert await form_uses.begin(ONE, "SES-2") == "/made"


async def test_a_refused_form_can_be_submitted_again(db: str) -> None:
    assert await form_uses.begin(ONE, "SES-1") is None
    twin = asyncio.create_task(form_uses.begin(ONE, "SES-1"))
    await asyncio.sleep(0.1)
    assert not twin.done()
    await form_uses.release(ONE)
    assert await twin is None


async def test_the_claim_of_a_dead_process_is_never_taken_over(db: str, steady_clock: None) -> None:
    assert await form_uses.begin(ONE, "SES-1") is None
    clock.shift(LOST_AFTER + timedelta(seconds=1))
    with pytest.raises(ApiError, match="not known whether it was carried out") as raised:
        await form_uses.begin(ONE, "SES-1")
    assert raised.value.code is Code.IDEMPOTENCY_IN_PROGRESS


async def test_a_second_submission_waits_for_a_limited_time(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form_uses, "SECOND_WAITS_S", 0.2)
    assert await form_uses.begin(ONE, "SES-1") is None
    with pytest.raises(ApiError, match="still being carried out"):
        await form_uses.begin(ONE, "SES-1")


async def test_a_secret_is_encrypted_and_read_once_by_its_own_session_and_page(db: str, settings: Settings) -> None:
    keys, now = settings.data_keys, clock.now()
    await form_uses.begin(ONE, "SES-1")
    await form_uses.finish(ONE, "/made", "a canary", keys)
    stored = await database.fetch_value("SELECT secret_sealed FROM form_uses")
    assert "canary" not in stored
    for session_id, page in (("SES-2", "/made"), ("SES-1", "/other")):
        assert await form_uses.take_secret(session_id, page, keys, now) is None
    takers = (form_uses.take_secret("SES-1", "/made", keys, now) for _ in range(10))
    assert sorted(map(str, await asyncio.gather(*takers))) == ["None"] * 9 + ["a canary"]
    assert await database.fetch_value("SELECT count(secret_sealed) FROM form_uses") == 0


async def test_purge_deletes_secrets_before_uses(db: str, settings: Settings, steady_clock: None) -> None:
    keys = settings.data_keys
    await form_uses.begin(ONE, "SES-1")
    await form_uses.finish(ONE, "/made", "a canary", keys)
    clock.shift(SECRET_WAITS + timedelta(seconds=1))
    await form_uses.purge(clock.now())
    assert await database.fetch_value("SELECT count(secret_sealed) FROM form_uses") == 0
    assert await form_uses.begin(ONE, "SES-1") == "/made"
    clock.shift(KEPT)
    await form_uses.purge(clock.now())
    assert await database.fetch_value("SELECT count(*) FROM form_uses") == 0


async def test_a_secret_that_is_too_old_is_not_shown(db: str, settings: Settings, steady_clock: None) -> None:
    await form_uses.begin(ONE, "SES-1")
    await form_uses.finish(ONE, "/made", "a canary", settings.data_keys)
    clock.shift(SECRET_WAITS + timedelta(seconds=1))
    assert await form_uses.take_secret("SES-1", "/made", settings.data_keys, clock.now()) is None
