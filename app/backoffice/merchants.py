"""Merchants as operators read them: a list that can be searched, and one merchant with everything beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of
from app.ledger import repository as ledger
from app.ledger.repository import Head
from app.networks.registry import Networks
from app.withdrawals import limits
from app.withdrawals.limits import CapUse

MONTH = timedelta(days=30)

STATUSES = ("pending", "rejected", "approved", "suspended", "banned")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedMerchant:
    """A merchant in a list. `paid_invoices` are live ones of the last 30 days."""

    id: str
    name: str
    status: str
    service_fee_bps: int
    fee_payer: str
    created_at: datetime
    members: int
    active_keys: int
    paid_invoices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of a merchant."""

    account_id: str
    name: str
    email: str
    role: str
    has_totp: bool
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What a merchant took in an asset within 30 days: paid invoices, and what they credited."""

    network: str
    asset: str
    invoices: int
    credited_raw: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A merchant's API keys, counted."""

    live: int
    test: int
    locked: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSetting:
    """What a merchant may do with an asset of the networks file, and what of its cap is used."""

    network: str
    asset: str
    enabled: bool
    min_raw: int | None
    max_raw: int | None
    cap: CapUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """What of a merchant waits somewhere."""

    withdrawals: int
    reviews: int
    holds: int
    paused_webhooks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantFile:
    """One merchant. `status_reason` is what was said when its standing last changed."""

    id: str
    name: str
    status: str
    status_reason: str | None
    service_fee_bps: int
    tolerance_bps: int
    fee_payer: str
    created_at: datetime
    people: tuple[Person, ...]
    balances: tuple[Head, ...]
    volumes: tuple[Volume, ...]
    keys: Keys
    assets: tuple[AssetSetting, ...]
    open: Open


async def page(search: str, status: str | None, place: Place | None, limit: int, now: datetime) -> Page[ListedMerchant]:
    """A page by (created_at, id), newest first.

    `search` is a part of a name or of a member's address, or a whole id.
    """
    comparison, order = direction(place)
    rows: Sequence[Row] = await database.fetch_all(
        f"""
        SELECT m.id, m.name, m.status, m.service_fee_bps, m.fee_payer, m.created_at,
            (SELECT count(*) FROM memberships p WHERE p.merchant = m.id) AS members,
            (SELECT count(*) FROM api_keys k WHERE k.merchant = m.id AND k.revoked_at IS NULL
                AND (k.expires_at IS NULL OR k.expires_at > $6)) AS active_keys,
            (SELECT count(*) FROM invoices i WHERE i.merchant = m.id AND i.mode = 'live'
                AND i.status IN ('paid', 'partially_refunded', 'refunded') AND i.created_at > $7) AS paid_invoices
        FROM merchants m
        WHERE ($1 = '' OR m.id = upper($1) OR m.name ILIKE $2
                OR EXISTS (SELECT 1 FROM memberships p JOIN accounts a ON a.id = p.account
                    WHERE p.merchant = m.id AND a.email ILIKE $2))
            AND ($3::text IS NULL OR m.status = $3)
            AND ($4::timestamptz IS NULL OR (m.created_at, m.id) {comparison} ($4::timestamptz, $5::text))
        ORDER BY m.created_at {order}, m.id {order} LIMIT $8
        """,
        search,
        f"%{database.like_literally(search)}%",
        status,
        *(place.key if place else (None, None)),
        now,
        now - MONTH,
        limit + 1,
    )
    return page_of(rows, limit, place, key=("created_at", "id"), made=lambda row: ListedMerchant(**dict(row)))


async def file_of(merchant_id: str, networks: Networks, now: datetime) -> MerchantFile | None:
    """One merchant with everything beside it."""
    row = await database.fetch_one("SELECT * FROM merchants WHERE id = $1", merchant_id)
    if row is None:
        return None
    reason: str | None = await database.fetch_value(
        """
        SELECT details::json ->> 'reason' FROM audit_entries
        WHERE subject = $1 AND action IN ('merchant.suspended', 'merchant.banned', 'merchant.reinstated')
        ORDER BY id DESC LIMIT 1
        """,
        merchant_id,
    )
    return MerchantFile(
        id=row["id"],
        name=row["name"],
        status=row["status"],
        status_reason=reason,
        service_fee_bps=row["service_fee_bps"],
        tolerance_bps=row["tolerance_bps"],
        fee_payer=row["fee_payer"],
        created_at=row["created_at"],
        people=await _people(merchant_id),
        balances=tuple(await ledger.heads(merchant_id)),
        volumes=await _volumes(merchant_id, now),
        keys=await _keys(merchant_id, now),
        assets=await _assets(merchant_id, networks, now),
        open=await _open(merchant_id),
    )


async def names(merchant_ids: Sequence[str]) -> dict[str, str]:
    """The names of merchants, by id."""
    rows = await database.fetch_all("SELECT id, name FROM merchants WHERE id = ANY($1)", list(merchant_ids))
    return {row["id"]: row["name"] for row in rows}


async def _people(merchant_id: str) -> tuple[Person, ...]:
    rows = await database.fetch_all(
        """
        SELECT a.id AS account_id, a.name, a.email, p.role, a.totp_secret_sealed IS NOT NULL AS has_totp,
            p.created_at AS since
        FROM memberships p JOIN accounts a ON a.id = p.account WHERE p.merchant = $1
        ORDER BY array_position(ARRAY['owner', 'admin', 'developer', 'viewer'], p.role::text), lower(a.name), a.id
        """,
        merchant_id,
    )
    return tuple(Person(**dict(row)) for row in rows)


async def _volumes(merchant_id: str, now: datetime) -> tuple[Volume, ...]:
    rows = await database.fetch_all(
        """
        SELECT network, asset, count(*) AS invoices, coalesce(sum(credited_raw), 0) AS credited_raw FROM invoices
        WHERE merchant = $1 AND mode IN ('live', 'test') AND created_at > $2
            AND status IN ('paid', 'partially_refunded', 'refunded')
        GROUP BY network, asset ORDER BY network, asset
        """,
        merchant_id,
        now - MONTH,
    )
    return tuple(Volume(**dict(row)) for row in rows)


async def _keys(merchant_id: str, now: datetime) -> Keys:
    row = await database.fetch_one(
        """
        SELECT count(*) FILTER (WHERE mode = 'live' AND active) AS live,
            count(*) FILTER (WHERE mode = 'test' AND active) AS test,
            count(*) FILTER (WHERE locked_until > $2) AS locked, max(last_used_at) AS last_used_at
        FROM (SELECT *, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2) AS active
            FROM api_keys WHERE merchant = $1) keys
        """,
        merchant_id,
        now,
    )
    assert row is not None
    return Keys(**dict(row))


async def _assets(merchant_id: str, networks: Networks, now: datetime) -> tuple[AssetSetting, ...]:
    """Every asset that is configured, taken or not, live networks first."""
    rows = await database.fetch_all(
        "SELECT network, asset, enabled, min_raw, max_raw FROM merchant_assets WHERE merchant = $1", merchant_id
    )
    settings = {(row["network"], row["asset"]): row for row in rows}
    found = []
    for network in sorted(networks, key=lambda network: (network.mode, network.chain)):
        for asset in network.assets:
            row = settings.get((network.key, asset.symbol))
            found.append(
                AssetSetting(
                    network=network.key,
                    asset=asset.symbol,
                    enabled=row is not None and row["enabled"],
                    min_raw=None if row is None else row["min_raw"],
                    max_raw=None if row is None else row["max_raw"],
                    cap=await limits.cap_use(merchant_id, network.key, asset.symbol, now),
                )
            )
    return tuple(found)


async def _open(merchant_id: str) -> Open:
    row = await database.fetch_one(
        """
        SELECT (SELECT count(*) FROM withdrawals WHERE source = $1 AND status IN ('pending_approval', 'approved',
                'submitted')) AS withdrawals,
            (SELECT count(*) FROM reviews WHERE merchant = $1 AND status = 'open') AS reviews,
            (SELECT count(*) FROM withdrawal_holds WHERE source = $1 AND released_at IS NULL) AS holds,
            (SELECT count(*) FROM webhook_endpoints WHERE merchant = $1 AND status = 'paused') AS paused_webhooks
        """,
        merchant_id,
    )
    assert row is not None
    return Open(**dict(row))
