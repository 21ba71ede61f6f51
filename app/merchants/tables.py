"""Merchants, what they may take, who belongs to them, and the platform's switches."""

from piccolo.columns import BigSerial, ForeignKey, Integer, OnDelete, OnUpdate
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.accounts.tables import Account
from app.core import columns


class Merchant(Table, tablename="merchants"):
    """A business that takes payments. `service_fee_bps` is what the platform earns, in 1/10,000.

    A payment that misses the asked amount by up to `tolerance_bps` of it counts as exact, for what came.
    """

    id = columns.public_id()
    name = columns.words(100)
    status = columns.words(10)
    service_fee_bps = columns.number()
    fee_payer = columns.words(10)
    created_at = columns.moment()
    tolerance_bps = Integer(default=0)

    status_known = columns.one_of("status", "pending", "approved", "suspended", "banned")
    fee_payer_known = columns.one_of("fee_payer", "merchant", "customer")
    fee_sane = Check("service_fee_bps BETWEEN 0 AND 5000")
    tolerance_sane = Check("tolerance_bps BETWEEN 0 AND 1000")


class MerchantAsset(Table, tablename="merchant_assets"):
    """An asset that a merchant takes, and the least and most that one invoice may ask for.

    `daily_cap_raw` is the most that payouts and refunds together may send within 24 hours; null: no cap.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    network = columns.words(40)
    asset = columns.words(20)
    enabled = columns.flag()
    min_raw = columns.raw_amount(null=True)
    max_raw = columns.raw_amount(null=True)
    daily_cap_raw = columns.raw_amount(null=True)

    merchant_assets_asset_once = Unique(["merchant", "network", "asset"])


class Membership(Table, tablename="memberships"):
    """An account's role at a merchant."""

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    account = columns.reference(Account)
    role = columns.words(10)
    created_at = columns.moment()

    memberships_member_once = Unique(["merchant", "account"])
    role_known = columns.one_of("role", "owner", "admin", "developer", "viewer")


class MerchantBranding(Table, tablename="merchant_branding"):
    """How a merchant's pages for customers look (merchants/branding.py). No row, or a null, is our own look."""

    merchant = ForeignKey(
        references=Merchant,
        primary_key=True,
        default=None,
        null=False,
        on_delete=OnDelete.restrict,
        on_update=OnUpdate.restrict,
    )
    display_name = columns.words(60, null=True)
    accent = columns.words(7, null=True)
    logo = columns.digest(null=True)
    logo_type = columns.words(10, null=True)
    logo_digest = columns.digest(null=True)
    updated_at = columns.moment()

    merchant_branding_accent_is_a_colour = Check("accent ~ '^#[0-9a-f]{6}$'")
    merchant_branding_logo_whole = Check(
        "(logo IS NULL) = (logo_type IS NULL) AND (logo IS NULL) = (logo_digest IS NULL)"
    )
    merchant_branding_logo_known = Check("logo_type IN ('image/png', 'image/jpeg', 'image/webp')")
    merchant_branding_logo_small = Check("octet_length(logo) <= 100000")


class Switch(Table, tablename="switches"):
    """Something that operators have paused for all merchants. No row means that it runs."""

    name = columns.words(20, primary_key=True)
    paused_at = columns.moment()
    reason = columns.text()

    name_known = columns.one_of("name", "invoices", "payouts", "refunds")
