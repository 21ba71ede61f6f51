"""Common passwords and bad lengths are refused; all others are accepted."""

import pytest
from argon2 import PasswordHasher

from app.accounts import passwords
from app.core.errors import ApiError


@pytest.mark.parametrize(
    "password", ["short", "x" * 129, "password", "PASSWORD1", "qwertyuiop", "12345678", "mara@example.test", "iloveyou"]
)
def test_common_passwords_are_refused(password: str) -> None:
    with pytest.raises(ApiError, match="password:"):
        passwords.check(password, email="mara@example.test")


@pytest.mark.parametrize("password", ["aaaaaaaa b", " " * 8 + "x", "x" * 128, "drei Worte mehr", "密码密码密码密码"])
def test_there_are_no_rules_of_composition(password: str) -> None:
    passwords.check(password, email="mara@example.test")


async def test_a_hash_matches_only_its_password(
    full_cost_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "hasher", full_cost_hasher)
    made = await passwords.hash_in_thread("correct horse 9")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.is_right_in_thread("correct horse 9", made)
    assert not await passwords.is_right_in_thread("correct horse 8", made)
    assert not await passwords.is_right_in_thread("c" * 100_000, made)
