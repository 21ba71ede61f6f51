"""Recovery codes: each works once, also under concurrent use; new ones replace the old ones."""

import asyncio

import pytest

from app.accounts import codes_repository, recovery_codes
from app.accounts.sign_in import verify_factor
from app.accounts.totp import CodeRefused, TooManyTries
from app.core import clock, database
from app.core.settings import Settings
from tests.identity.browsing import an_account

pytestmark = pytest.mark.usefixtures("db")


async def codes_of(account_id: str) -> list[str]:
    async with database.transaction():
        return await recovery_codes.create(account_id, clock.now())


async def test_of_twenty_uses_of_one_code_at_once_one_counts(settings: Settings) -> None:
    account = await an_account(settings, totp=True)
    code, *_ = await codes_of(account.id)

    async def use() -> str:
        try:
            return await verify_factor(settings.data_keys, account.id, code, clock.now())
        except CodeRefused:
            return "refused"

    outcomes = await asyncio.gather(*(use() for _ in range(20)))
    assert sorted(set(outcomes)) == ["recovery code", "refused"]
    assert outcomes.count("recovery code") == 1
    assert await codes_repository.count_recovery_codes(account.id) == 9


async def test_codes_are_accepted_as_people_type_them_and_stored_as_hashes(settings: Settings) -> None:
    account = await an_account(settings)
    codes = await codes_of(account.id)
    assert len(set(codes)) == 10
    kept = await database.fetch_all("SELECT code_hash FROM recovery_codes")
    assert all(len(row["code_hash"]) == 32 for row in kept)
    typed = codes[0].lower().replace("-", " ").replace("1", "l").replace("0", "o")
    assert await recovery_codes.use(account.id, typed)
    assert not await recovery_codes.use(account.id, codes[0])


async def test_new_codes_replace_old_ones_and_work_for_one_account(settings: Settings) -> None:
    account = await an_account(settings)
    old, new = await codes_of(account.id), await codes_of(account.id)
    other = await an_account(settings, "other@example.test")
    assert not await recovery_codes.use(account.id, old[0])
    assert not await recovery_codes.use(other.id, new[0])
    assert await recovery_codes.use(account.id, new[0])


async def test_wrong_recovery_codes_count_toward_the_limit_of_codes(settings: Settings) -> None:
    account = await an_account(settings, totp=True)
    right, *_ = await codes_of(account.id)
    for _ in range(5):
        with pytest.raises(CodeRefused):
            await verify_factor(settings.data_keys, account.id, "0000-0000-0000-0000", clock.now())
    with pytest.raises(TooManyTries):
        await verify_factor(settings.data_keys, account.id, right, clock.now())
    with pytest.raises(TooManyTries):
        await verify_factor(settings.data_keys, account.id, account.code(), clock.now())
