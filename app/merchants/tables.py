"""Merchants, what they may take, who belongs to them, and the platform's switches."""

from piccolo.columns import Array, BigSerial, Boolean, ForeignKey, Integer, OnDelete, OnUpdate, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.accounts.tables import Account
from app.core import columns
from app.merchants.roles import ROLES


class Merchant(Table, tablename="merchants"):
    """A business that takes payments. `service_fee_bps` is what the platform earns, in 1/10,000.

    A payment that differs from the requested amount by up to `tolerance_bps` of it counts as exact.
    `accept_parts`: from the next invoice on, several deposits may pay one together.

    `currencies` are those that it prices in (ISO 4217). A quote adds `spread_bps` to the price and is good for
    `quote_minutes`. A payment that comes later still counts if the rate has moved against the merchant by at most
    `late_quote_bps`. `reporting_currency` is the one in which it keeps its books; null: none. Pages of `frame_origins`
    may frame its checkout pages (merchants/frame_origins.py).

    `return_addresses`: whether its customers may name the address that a deposit in review is sent back to
    (refunds/return_addresses.py). `off`: no; `confirmed`: a member confirms each; `direct`: operators see it at once.
    """

    id = columns.public_id()
    name = columns.words(100)
    status = columns.words(10)
    service_fee_bps = columns.number()
    fee_payer = columns.words(10)
    created_at = columns.moment()
    tolerance_bps = Integer(default=0)
    accept_parts = columns.switch()
    currencies = Array(base_column=Varchar(length=3), default=list)
    spread_bps = Integer(default=0)
    quote_minutes = Integer(default=15)
    late_quote_bps = Integer(default=0)
    reporting_currency = columns.words(3, null=True)
    frame_origins = Array(base_column=Varchar(length=270), default=list)
    return_addresses = Varchar(length=10, default="confirmed")

    status_known = columns.one_of("status", "pending", "rejected", "approved", "suspended", "banned")
    fee_payer_known = columns.one_of("fee_payer", "merchant", "customer")
    fee_sane = Check("service_fee_bps BETWEEN 0 AND 5000")
    tolerance_sane = Check("tolerance_bps BETWEEN 0 AND 1000")
    merchants_spread_sane = Check("spread_bps BETWEEN 0 AND 1000")
    merchants_quote_minutes_sane = Check("quote_minutes BETWEEN 5 AND 60")
    merchants_late_quote_sane = Check("late_quote_bps BETWEEN 0 AND 1000")
    merchants_frame_origins_sane = Check(
        "cardinality(frame_origins) <= 10 AND array_to_string(frame_origins, ' ') !~ '[^a-z0-9:/. -]'"
    )
    merchants_return_addresses_known = columns.one_of("return_addresses", "off", "confirmed", "direct")


class MerchantAsset(Table, tablename="merchant_assets"):
    """An asset that a merchant takes, and the least and most that one invoice may ask for.

    `daily_cap_raw` is the most that payouts and refunds together may send within 24 hours; null: no cap. `offered`:
    customers may pay a price with it; `place` is where it stands among those that they may choose.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    network = columns.words(40)
    asset = columns.words(20)
    enabled = columns.flag()
    min_raw = columns.raw_amount(null=True)
    max_raw = columns.raw_amount(null=True)
    daily_cap_raw = columns.raw_amount(null=True)
    offered = Boolean(default=True)
    place = Integer(default=0)

    merchant_assets_asset_once = Unique(["merchant", "network", "asset"])


class Membership(Table, tablename="memberships"):
    """An account's role at a merchant. `first_steps_hidden`: the member has put the list of first steps away."""

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    account = columns.reference(Account)
    role = columns.words(10)
    created_at = columns.moment()
    first_steps_hidden = columns.switch()

    memberships_member_once = Unique(["merchant", "account"])
    memberships_role_known = columns.one_of("role", *ROLES)


class SavedFilter(Table, tablename="saved_filters"):
    """The filters of a list that a member keeps under a name. `query` is the query of the list's address."""

    id = BigSerial(primary_key=True)
    account = columns.reference(Account)
    merchant = columns.reference(Merchant)
    list = columns.words(20)
    name = columns.words(60)
    query = columns.words(2000)
    created_at = columns.moment()

    saved_filters_name_once = Unique(["account", "merchant", "list", "name"])


class FormerMember(Table, tablename="former_members"):
    """A membership that has ended. A trigger adds the row when the membership is deleted.

    A person who left after a payout was requested still may not approve it (withdrawals/conflicts.py).
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    account = columns.reference(Account)
    left_at = columns.moment()


class MerchantApplication(Table, tablename="merchant_applications"):
    """What a business says about itself to be approved, and the operators' decision. At most one is pending.

    `monthly_volume` is one of the bands of merchants/applications.py. `reason` is shown to the merchant.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    legal_name = columns.words(200)
    country = columns.words(2)
    website = columns.words(200)
    business = columns.words(1000)
    monthly_volume = columns.words(20)
    status = columns.words(10)
    submitted_by = columns.reference(Account)
    submitted_at = columns.moment()
    decided_by = columns.words(64, null=True)
    decided_at = columns.moment(null=True)
    reason = columns.words(500, null=True)

    merchant_applications_status_known = columns.one_of("status", "pending", "approved", "rejected")
    merchant_applications_decided_whole = Check(
        "(status = 'pending') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)"
    )
    merchant_applications_rejected_why = Check("status <> 'rejected' OR reason IS NOT NULL")


class Invitation(Table, tablename="merchant_invitations"):
    """An offer of a role to the person with an email address. The letter has the token; here is its SHA-256. The
    reminder, sent once, has a token of its own, `reminder_hash`.

    Open while it is neither accepted nor withdrawn, and only until it expires; at most one per merchant and address.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    email = columns.words(254)
    role = columns.words(10)
    token_hash = columns.digest()
    invited_by = columns.reference(Account)
    created_at = columns.moment()
    expires_at = columns.moment()
    accepted_at = columns.moment(null=True)
    accepted_by = columns.reference(Account, null=True)
    withdrawn_at = columns.moment(null=True)
    reminded_at = columns.moment(null=True)
    reminder_hash = columns.digest(null=True)

    merchant_invitations_token_once = Unique(["token_hash"])
    merchant_invitations_role_offered = columns.one_of("role", *ROLES)
    merchant_invitations_reminder_once = Unique(["reminder_hash"])
    merchant_invitations_reminder_whole = Check("(reminded_at IS NULL) = (reminder_hash IS NULL)")
    merchant_invitations_accepted_whole = Check("(accepted_at IS NULL) = (accepted_by IS NULL)")
    merchant_invitations_ended_once = Check("accepted_at IS NULL OR withdrawn_at IS NULL")


class MerchantBranding(Table, tablename="merchant_branding"):
    """How a merchant's pages for customers look (merchants/branding.py). No row, or a null, means our own look."""

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


class MerchantNotice(Table, tablename="merchant_notices"):
    """Something that a merchant's people are to be told by email; deleted when the emails are in the outbox.

    `facts` is JSON, free of secrets: what the words of the kind need (merchants/notices.py). `actor` is who did it, as
    in the audit log.
    """

    id = BigSerial(primary_key=True)
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    kind = columns.words(40)
    subject = columns.words(64)
    actor = columns.words(64)
    facts = columns.text()
    created_at = columns.moment()

    merchant_notices_mode_known = columns.one_of("mode", "live", "test")
