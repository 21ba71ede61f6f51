"""The rules of the security checklist, and the remedies that fix findings."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from app.api_keys import administration
from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.errors import ApiError
from app.core.settings import Settings
from app.security_checklist import service
from app.security_checklist.checklist import KeyFacts, PersonFacts, check
from tests.merchants.people import new_member, owner_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TIDY = KeyFacts(
    id="K",
    name="shop",
    mode="live",
    scopes=("invoices.write",),
    has_allowlist=True,
    unused_scopes=(),
    created_at=NOW - 100 * DAY,
    secret_since=NOW - 100 * DAY,
    last_used_at=NOW - DAY,
    last_used_address="203.0.113.7",
)
PEOPLE = [
    PersonFacts(account_id="A", name="Mara", role="owner", has_second_step=True),
    PersonFacts(account_id="B", name="Nils", role="owner", has_second_step=True),
]
EIGHT = tuple(scope.value for scope in Scope)[:8]


def test_a_tidy_merchant_has_nothing_to_do() -> None:
    assert check([TIDY], PEOPLE, NOW) == []


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (replace(TIDY, has_allowlist=False), ("no_allowlist", "caution", "allow_last_address")),
        (
            replace(TIDY, has_allowlist=False, scopes=("payouts.write",)),
            ("no_allowlist", "critical", "allow_last_address"),
        ),
        (replace(TIDY, scopes=EIGHT), ("broad_scopes", "caution", "edit_key")),
        (replace(TIDY, unused_scopes=("payouts.write",)), ("unused_scopes", "caution", "drop_scopes")),
        (replace(TIDY, secret_since=NOW - 366 * DAY), ("old_secret", "caution", "rotate_key")),
        (replace(TIDY, last_used_at=NOW - 91 * DAY), ("unused_key", "caution", "revoke_key")),
        (replace(TIDY, last_used_at=None, created_at=NOW - 15 * DAY), ("unused_key", "caution", "revoke_key")),
    ],
)
def test_each_rule_has_its_remedy(key: KeyFacts, expected: tuple[str, str, str]) -> None:
    (found,) = check([key], PEOPLE, NOW)
    assert (found.rule, found.severity, found.remedy) == expected


def test_people_without_two_steps_and_a_lone_owner_are_named_the_worst_first() -> None:
    people = [
        replace(PEOPLE[0], has_second_step=False),
        PersonFacts(account_id="C", name="Vi", role="viewer", has_second_step=False),
    ]
    found = [(one.rule, one.severity) for one in check([], people, NOW)]
    assert found == [("no_totp", "critical"), ("no_totp", "advice"), ("single_owner", "advice")]


async def test_one_click_limits_a_key_to_where_it_was_used(db: str, settings: Settings) -> None:
    owner = await owner_of()
    key, _ = await administration.issue(
        owner,
        settings.api_key_peppers,
        mode="live",
        name="shop",
        scopes=["payouts.write"],
        allowlist=[],
        rate_limit_per_minute=60,
        expires_at=None,
        now=clock.now(),
    )
    await database.execute(
        "UPDATE api_keys SET last_used_at = $2, last_used_address = '203.0.113.7' WHERE id = $1", key.id, clock.now()
    )
    (found,) = [one for one in await service.findings(owner, clock.now()) if one.subject == key.id]
    await service.remedy(owner, found.id, settings.api_key_peppers, clock.now())
    assert (await administration.get_key(owner, "live", key.id)).allowlist == ["203.0.113.7"]
    with pytest.raises(ApiError, match="solved already"):
        await service.remedy(owner, found.id, settings.api_key_peppers, clock.now())


async def test_a_colleague_is_reminded_once_a_day(db: str, settings: Settings) -> None:
    owner = await owner_of()
    admin = await new_member(owner.merchant_id, "admin")
    finding = f"no_totp:{admin.account_id}"
    await service.remedy(owner, finding, settings.api_key_peppers, clock.now())
    assert await database.fetch_value("SELECT recipient FROM mail_outbox") == "admin@example.test"
    with pytest.raises(ApiError, match="within the last day"):
        await service.remedy(owner, finding, settings.api_key_peppers, clock.now())
