"""Merchants as operators read them: a list with a search, and one merchant with all its details."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query.functions import Coalesce, Count, Sum
from piccolo.querystring import QueryString

from app.audit.tables import AuditEntry
from app.core import database
from app.core.keyset import Page, Place, Total
from app.core.statement import Listing, Param, Statement, any_of, select
from app.invoices.tables import Invoice
from app.ledger import repository as ledger
from app.ledger.repository import Head
from app.merchants.roles import ROLES
from app.merchants.tables import Merchant, MerchantAsset
from app.networks.registry import Networks
from app.withdrawals import limits
from app.withdrawals.limits import CapUse

MONTH = timedelta(days=30)

STATUSES = ("pending", "rejected", "approved", "suspended", "banned")


class ListedMerchant(msgspec.Struct, frozen=True, kw_only=True):
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


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a merchant."""

    account_id: str
    name: str
    email: str
    role: str
    has_second_step: bool
    since: datetime


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's invoices in an asset that were paid within 30 days: their number, and what they credited."""

    network: str
    asset: str
    invoices: int
    credited_raw: int


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's API keys, counted."""

    live: int
    test: int
    locked: int
    last_used_at: datetime | None


class AssetSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant's settings of an asset of the networks file, and the use of its cap. Amounts are in minor units."""

    network: str
    asset: str
    enabled: bool
    min_raw: int | None
    max_raw: int | None
    cap: CapUse


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a merchant's open withdrawals, reviews, holds and paused webhooks."""

    withdrawals: int
    reviews: int
    holds: int
    paused_webhooks: int


class MerchantDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant. `status_reason` is the reason of its last change of status."""

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


async def page(
    search: str, networks: Networks, status: str | None, place: Place | None, limit: int, now: datetime
) -> Page[ListedMerchant]:
    """A page by (created_at, id), newest first.

    `search` is a part of a name or of a member's email address, a whole id, or an address on one of the networks that
    an invoice of the merchant had or that it has paid.
    """
    return await _LIST.page(place, limit, **_values(search, networks, status, now))


async def total(search: str, networks: Networks, status: str | None, now: datetime) -> Total:
    """How many merchants the list has."""
    return await _LIST.total(**_values(search, networks, status, now))


def _values(search: str, networks: Networks, status: str | None, now: datetime) -> dict[str, object]:
    return {
        "search": search or None,
        "pattern": f"%{database.like_literally(search)}%",
        "addresses": networks.address_forms(search),
        "networks": [network.key for network in networks],
        "status": status,
        "now": now,
        "since": now - MONTH,
    }


_LIST = Listing(
    lambda: Merchant.select(
        Merchant.id,
        Merchant.name,
        Merchant.status,
        Merchant.service_fee_bps,
        Merchant.fee_payer,
        Merchant.created_at,
        QueryString("(SELECT count(*) FROM memberships p WHERE p.merchant = {})", Merchant.id, alias="members"),
        QueryString(
            "(SELECT count(*) FROM api_keys k WHERE k.merchant = {} AND k.revoked_at IS NULL"
            " AND (k.expires_at IS NULL OR k.expires_at > {}))",
            Merchant.id,
            Param("now"),
            alias="active_keys",
        ),
        QueryString(
            "(SELECT count(*) FROM invoices i WHERE i.merchant = {} AND i.mode = 'live'"
            " AND i.status IN ('paid', 'partially_refunded', 'refunded') AND i.created_at > {})",
            Merchant.id,
            Param("since"),
            alias="paid_invoices",
        ),
    ),
    ListedMerchant,
    key=(Merchant.created_at, Merchant.id),
    filters={
        "status": Merchant.status == Param("status"),
        "search": WhereRaw(
            "({} = upper({}) OR {} ILIKE {} OR EXISTS (SELECT 1 FROM memberships p JOIN accounts a ON a.id = p.account"
            " WHERE p.merchant = {} AND a.email ILIKE {}) OR {} IN (SELECT i.merchant FROM deposit_addresses a"
            " JOIN invoices i ON i.deposit_address = a.id WHERE a.network = ANY({}) AND a.address = ANY({})"
            " UNION ALL SELECT w.merchant FROM withdrawals w WHERE w.network = ANY({}) AND w.destination = ANY({})))",
            Merchant.id,
            Param("search"),
            Merchant.name,
            Param("pattern"),
            Merchant.id,
            Param("pattern"),
            Merchant.id,
            Param("networks"),
            Param("addresses"),
            Param("networks"),
            Param("addresses"),
        ),
    },
)


async def details_of(merchant_id: str, networks: Networks, now: datetime) -> MerchantDetails | None:
    """One merchant with all its details."""
    merchant = await _MERCHANT.first(id=merchant_id)
    if merchant is None:
        return None
    return MerchantDetails(
        id=merchant.id,
        name=merchant.name,
        status=merchant.status,
        status_reason=await _STATUS_REASON.first(merchant=merchant_id),
        service_fee_bps=merchant.service_fee_bps,
        tolerance_bps=merchant.tolerance_bps,
        fee_payer=merchant.fee_payer,
        created_at=merchant.created_at,
        people=await _people(merchant_id),
        balances=tuple(
            sorted(
                await ledger.heads(merchant_id),
                key=lambda head: networks.place_of(head.chain.network, head.chain.asset),
            )
        ),
        volumes=await _volumes(merchant_id, now),
        keys=await _keys(merchant_id, now),
        assets=await _assets(merchant_id, networks, now),
        open=await _open(merchant_id),
    )


class _Merchant(msgspec.Struct, frozen=True):
    id: str
    name: str
    status: str
    service_fee_bps: int
    tolerance_bps: int
    fee_payer: str
    created_at: datetime


_MERCHANT = Statement(select(Merchant, _Merchant).where(Merchant.id == Param("id")), _Merchant)
_STATUS_REASON = Statement(
    AuditEntry.select(QueryString("{}::json ->> 'reason'", AuditEntry.details, alias="reason"))
    .where(
        AuditEntry.subject == Param("merchant"),
        AuditEntry.action.is_in(["merchant.suspended", "merchant.banned", "merchant.reinstated"]),
    )
    .order_by(AuditEntry.id, ascending=False)
    .limit(1),
    str,
)


async def names(merchant_ids: Sequence[str]) -> dict[str, str]:
    """The names of merchants, by id."""
    return {found.id: found.name for found in await _NAMES.all(ids=list(merchant_ids))}


class _Name(msgspec.Struct, frozen=True):
    id: str
    name: str


_NAMES = Statement(select(Merchant, _Name).where(any_of(Merchant.id, Param("ids"))), _Name)


async def _people(merchant_id: str) -> tuple[Person, ...]:
    # SQL: the order of roles, over a join.
    rows = await database.fetch_all(
        """
        SELECT a.id AS account_id, a.name, a.email, p.role,
            a.totp_secret_sealed IS NOT NULL OR EXISTS (SELECT FROM passkeys k WHERE k.account = a.id)
                AS has_second_step,
            p.created_at AS since
        FROM memberships p JOIN accounts a ON a.id = p.account WHERE p.merchant = $1
        ORDER BY array_position($2::varchar[], p.role), lower(a.name), a.id
        """,
        merchant_id,
        list(ROLES),
    )
    return tuple(Person(**dict(row)) for row in rows)


async def _volumes(merchant_id: str, now: datetime) -> tuple[Volume, ...]:
    return tuple(await _VOLUMES.all(merchant=merchant_id, since=now - MONTH))


_VOLUMES = Statement(
    Invoice.select(
        Invoice.network,
        Invoice.asset,
        Count(alias="invoices"),
        Coalesce(Sum(Invoice.credited_raw), 0, alias="credited_raw"),
    )
    .where(
        Invoice.merchant == Param("merchant"),
        Invoice.mode.is_in(["live", "test"]),
        Invoice.created_at > Param("since"),
        Invoice.status.is_in(["paid", "partially_refunded", "refunded"]),
    )
    .group_by(Invoice.network, Invoice.asset)
    .order_by(Invoice.network, Invoice.asset),
    Volume,
)


async def _keys(merchant_id: str, now: datetime) -> Keys:
    # SQL: aggregates with FILTER.
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
    """Every configured asset, enabled or not, live networks first."""
    settings = {(one.network, one.asset): one for one in await _ASSETS.all(merchant=merchant_id)}
    found = []
    for network in sorted(networks, key=lambda network: network.mode):
        for asset in network.assets:
            setting = settings.get((network.key, asset.symbol))
            found.append(
                AssetSetting(
                    network=network.key,
                    asset=asset.symbol,
                    enabled=setting is not None and setting.enabled,
                    min_raw=None if setting is None else setting.min_raw,
                    max_raw=None if setting is None else setting.max_raw,
                    cap=await limits.cap_use(merchant_id, network.key, asset.symbol, now),
                )
            )
    return tuple(found)


class _Asset(msgspec.Struct, frozen=True):
    network: str
    asset: str
    enabled: bool
    min_raw: int | None
    max_raw: int | None


_ASSETS = Statement(select(MerchantAsset, _Asset).where(MerchantAsset.merchant == Param("merchant")), _Asset)


async def _open(merchant_id: str) -> Open:
    # SQL: counts of several tables in one statement.
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
