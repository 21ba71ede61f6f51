"""The life of a key: issued, used, changed, rotated, expired, revoked; and the rotation of the pepper."""

import asyncio
import os
from datetime import timedelta
from ipaddress import ip_address

import pytest

from app.api_keys import repository, service
from app.api_keys.authentication import Authenticator, Principal
from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.errors import ApiError
from app.core.settings import Peppers, Settings
from tests.factories.api_keys import IssuedKey, api_key
from tests.factories.merchants import merchant

pytestmark = pytest.mark.usefixtures("db")

CLIENT = ip_address("203.0.113.5")


@pytest.fixture
def peppers(settings: Settings) -> Peppers:
    return settings.api_key_peppers


async def enter(authenticator: Authenticator, presented: str, address: str = "203.0.113.5") -> Principal | str:
    """Authenticate. Returns the principal, or the error code."""
    try:
        return await authenticator.authenticate(presented, ip_address(address), clock.now())
    except ApiError as error:
        return error.code.value


def count_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that fills with every statement sent from now on."""
    sent: list[str] = []
    for name in ("fetch_all", "fetch_one", "fetch_value", "execute"):
        original = getattr(database, name)

        async def counted(sql: str, *args: object, original: object = original) -> object:
            sent.append(sql)
            return await original(sql, *args)  # type: ignore[operator]

        monkeypatch.setattr(database, name, counted)
    return sent


async def test_a_key_is_read_with_its_merchant_and_shows_no_secret(peppers: Peppers) -> None:
    owner = await merchant(name="Bakery", service_fee_bps=120, fee_payer="customer")
    key = await api_key(peppers, merchant_id=owner, scopes=["invoices.write"], mode="live")
    principal = await enter(Authenticator(peppers), key.full)
    assert isinstance(principal, Principal)
    assert (principal.merchant_name, principal.service_fee_bps, principal.fee_payer) == ("Bakery", 120, "customer")
    assert principal.mode == "live"
    assert principal.may("invoices.read")
    assert not principal.may("payouts.read")
    secret = key.full.rpartition(key.id)[2].lstrip("_")
    stored = await database.fetch_value("SELECT row_to_json(k)::text FROM api_keys k")
    assert secret not in stored
    assert key.full.startswith(f"sspay_sec_live_{key.id}_")


async def test_a_right_secret_costs_one_statement(peppers: Peppers, monkeypatch: pytest.MonkeyPatch) -> None:
    key, authenticator = await api_key(peppers), Authenticator(peppers)
    await enter(authenticator, key.full)
    await authenticator.close()
    sent = count_statements(monkeypatch)
    for _ in range(10):
        assert isinstance(await enter(authenticator, key.full), Principal)
    assert len(sent) == 10
    assert all("SELECT" in statement and "UPDATE" not in statement for statement in sent)


@pytest.mark.parametrize(
    "presented",
    [
        "",
        "sspay",
        "sspay_sec_test_",
        "sspay_sec_prod_ABC_x",
        "sspay_sec_test_abc_x",
        "é" * 40,
        "sspay_sec_test_A_\n",
    ],
)
async def test_a_malformed_key_is_refused_without_a_query(
    peppers: Peppers, presented: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = count_statements(monkeypatch)
    assert await enter(Authenticator(peppers), presented) == "INVALID_API_KEY"
    assert not sent


async def test_the_mode_is_part_of_the_key(peppers: Peppers) -> None:
    key, authenticator = await api_key(peppers, mode="test"), Authenticator(peppers)
    assert isinstance(await enter(authenticator, key.full), Principal)
    assert await enter(authenticator, key.full.replace("_test_", "_live_")) == "INVALID_API_KEY"


async def test_revocation_and_expiry_work_on_the_next_request(peppers: Peppers) -> None:
    authenticator = Authenticator(peppers)
    revoked = await api_key(peppers)
    expiring = await api_key(peppers, expires_at=clock.now() + timedelta(days=1))
    assert isinstance(await enter(authenticator, revoked.full), Principal)
    assert isinstance(await enter(authenticator, expiring.full), Principal)
    await service.revoke(key_id=revoked.id, merchant_id=revoked.merchant_id, now=clock.now())
    clock.shift(timedelta(days=1))
    assert await enter(authenticator, revoked.full) == "API_KEY_REVOKED"
    assert await enter(authenticator, expiring.full) == "API_KEY_EXPIRED"
    assert await enter(authenticator, revoked.guess(1)) == "INVALID_API_KEY"  # strangers don't learn of the expiry


@pytest.mark.parametrize(
    ("status", "in_live", "in_test"),
    [
        ("pending", "MERCHANT_NOT_APPROVED", None),
        ("rejected", "MERCHANT_NOT_APPROVED", None),
        ("suspended", "MERCHANT_SUSPENDED", "MERCHANT_SUSPENDED"),
        ("banned", "MERCHANT_BANNED", "MERCHANT_BANNED"),
    ],
)
async def test_before_approval_keys_of_test_mode_alone_are_let_in(
    peppers: Peppers, status: str, in_live: str, in_test: str | None
) -> None:
    merchant_id = await merchant(name="Bakery", status=status)
    live = await api_key(peppers, merchant_id=merchant_id, mode="live")
    assert await enter(Authenticator(peppers), live.full) == in_live
    test = await api_key(peppers, merchant_id=merchant_id, mode="test")
    entered = await enter(Authenticator(peppers), test.full)
    assert entered == in_test if in_test else isinstance(entered, Principal)


async def test_rotation_keeps_the_old_secret_for_the_grace_and_no_longer(peppers: Peppers) -> None:
    authenticator, old = Authenticator(peppers), await api_key(peppers)
    assert isinstance(await enter(authenticator, old.full), Principal)
    _, new = await service.rotate(
        peppers, key_id=old.id, merchant_id=old.merchant_id, grace_hours=24, seen_by=None, now=clock.now()
    )
    for process in (authenticator, Authenticator(peppers)):  # one that remembers the old secret, one that does not
        assert isinstance(await enter(process, old.full), Principal)
        assert isinstance(await enter(process, new), Principal)
    clock.shift(timedelta(hours=24))
    for process in (authenticator, Authenticator(peppers)):
        assert await enter(process, old.full) == "INVALID_API_KEY"
        assert isinstance(await enter(process, new), Principal)


async def test_rotation_without_grace_ends_the_old_secret_at_once(peppers: Peppers) -> None:
    authenticator, old = Authenticator(peppers), await api_key(peppers)
    assert isinstance(await enter(authenticator, old.full), Principal)
    await service.rotate(
        peppers, key_id=old.id, merchant_id=old.merchant_id, grace_hours=0, seen_by=None, now=clock.now()
    )
    assert await enter(authenticator, old.full) == "INVALID_API_KEY"


@pytest.mark.parametrize("grace_hours", [-1, 73])
async def test_other_graces_are_refused(peppers: Peppers, grace_hours: int) -> None:
    key = await api_key(peppers)
    with pytest.raises(ApiError, match="grace_hours"):
        await service.rotate(
            peppers, key_id=key.id, merchant_id=key.merchant_id, grace_hours=grace_hours, seen_by=None, now=clock.now()
        )


async def test_a_new_pepper_replaces_the_old_one_key_by_key(peppers: Peppers) -> None:
    key = await api_key(peppers)
    both = Peppers({**peppers.keys, 2: os.urandom(32)})
    only_new = Peppers({2: both.keys[2]})
    assert isinstance(await enter(Authenticator(both), key.full), Principal)
    assert await database.fetch_value("SELECT pepper_version FROM api_keys") == 2
    assert isinstance(await enter(Authenticator(only_new), key.full), Principal)
    assert await enter(Authenticator(peppers), key.full) == "INVALID_API_KEY"


async def test_keys_of_another_merchant_are_not_found(peppers: Peppers) -> None:
    key, stranger = await api_key(peppers), await merchant(name="Stranger")
    for attempt in (
        service.get_key(key.id, stranger),
        service.revoke(key_id=key.id, merchant_id=stranger, now=clock.now()),
        service.rotate(peppers, key_id=key.id, merchant_id=stranger, grace_hours=0, seen_by=None, now=clock.now()),
        change(key, merchant_id=stranger),
    ):
        with pytest.raises(ApiError, match="NOT_FOUND"):
            await attempt
    assert await repository.list_keys(stranger, "test") == []
    assert [k.id for k in await repository.list_keys(key.merchant_id, "test")] == [key.id]
    assert await repository.list_keys(key.merchant_id, "live") == []


async def change(key: IssuedKey, **changes: object) -> repository.Key:
    """The key with these settings changed."""
    settings = {
        "key_id": key.id,
        "merchant_id": key.merchant_id,
        "name": "reporting",
        "scopes": ["invoices.read"],
        "allowlist": [],
        "rate_limit_per_minute": 60,
        "expires_at": None,
        "now": clock.now(),
    }
    return await service.update(**(settings | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_limit_per_minute", 0),
        ("rate_limit_per_minute", -5),
        ("rate_limit_per_minute", 10**9),
        ("scopes", []),
        ("scopes", ["invoices.delete"]),
        ("name", "  "),
        ("name", "a\0b"),
        ("name", "x" * 101),
        ("allowlist", ["example.com"]),
        ("allowlist", ["10.0.0.5/24"]),
        ("allowlist", ["fe80::1%eth0"]),
        ("allowlist", ["1.2.3.4/33"]),
        ("allowlist", [""]),
    ],
)
async def test_invalid_settings_are_refused_by_name(peppers: Peppers, field: str, value: object) -> None:
    key = await api_key(peppers)
    with pytest.raises(ApiError, match=f"INVALID_INPUT: {field}"):
        await change(key, **{field: value})


async def test_settings_are_kept_in_canonical_form(peppers: Peppers) -> None:
    key = await change(
        await api_key(peppers),
        scopes=["refunds.read", "invoices.write", "refunds.read"],
        allowlist=["10.0.0.7", "2001:DB8:0::/48", "::ffff:192.0.2.1", "10.0.0.7/32", "::ffff:192.0.2.0/120"],
    )
    assert key.scopes == [Scope.INVOICES_WRITE, Scope.REFUNDS_READ]
    assert key.allowlist == ["10.0.0.7", "2001:db8::/48", "192.0.2.1", "192.0.2.0/24"]


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("192.0.2.200", True),
        ("192.0.3.1", False),
        ("2001:db8:0:1::5", True),
        ("2001:db8:1::5", False),
        ("::1", False),
    ],
)
async def test_the_allowlist_knows_both_families(peppers: Peppers, address: str, admitted: bool) -> None:
    key = await api_key(peppers, allowlist=["192.0.2.0/24", "2001:db8::/48"])
    assert isinstance(await enter(Authenticator(peppers), key.full, address), Principal) == admitted


async def test_last_use_is_written_once_a_minute(peppers: Peppers) -> None:
    key, authenticator = await api_key(peppers), Authenticator(peppers)

    async def last_use_after(address: str) -> str | None:
        await asyncio.gather(*(enter(authenticator, key.full, address) for _ in range(5)))
        await authenticator.close()
        return (await service.get_key(key.id, key.merchant_id)).last_used_address

    assert await last_use_after("192.0.2.1") == "192.0.2.1"
    assert await last_use_after("192.0.2.2") == "192.0.2.1"
    clock.shift(timedelta(minutes=1))
    assert await last_use_after("2001:db8::2") == "2001:db8::2"
