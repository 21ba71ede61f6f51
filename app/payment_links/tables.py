"""Payment links: what is asked for again and again, each time with an invoice of its own."""

from piccolo.columns import Array, Varchar
from piccolo.constraints import Check
from piccolo.table import Table

from app.core import columns
from app.merchants.tables import Merchant


class PaymentLink(Table, tablename="payment_links"):
    """A link that makes an invoice for everybody who opens it and wants to pay.

    `currency` is an asset's symbol where `network` names its network, else a national currency. The amounts are in its
    minor units: `amount_raw`, or where it is null, the customer's own, from `min_raw` to `max_raw`. `pay_in_assets` as
    of an invoice. `max_payments` null: any number; `expires_at` null: for good. `metadata` is JSON, for its invoices.

    How many of its payments are taken is counted from its invoices (repository.py), and stored nowhere.
    """

    id = columns.public_id()
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    active = columns.flag()
    network = columns.words(40, null=True)
    currency = columns.words(20)
    amount_raw = columns.raw_amount(null=True)
    min_raw = columns.raw_amount(null=True)
    max_raw = columns.raw_amount(null=True)
    pay_in_assets = Array(base_column=Varchar(length=61), default=None, null=True)
    description = columns.words(500, null=True)
    max_payments = columns.number(null=True)
    expires_at = columns.moment(null=True)
    success_url = columns.words(2048, null=True)
    metadata = columns.text()
    created_at = columns.moment()

    payment_links_mode_known = columns.one_of("mode", "live", "test")
    payment_links_amount_fixed_or_open = Check(
        "amount_raw > 0 AND min_raw IS NULL AND max_raw IS NULL"
        " OR amount_raw IS NULL AND coalesce(min_raw, 1) > 0 AND coalesce(max_raw, min_raw, 1) >= coalesce(min_raw, 1)"
    )
    payment_links_choice_of_price = Check("network IS NULL OR pay_in_assets IS NULL")
    payment_links_max_payments_sane = Check("max_payments > 0")
