"""Invoices and quotes. What an invoice without a price asks for is fixed at creation; one with a price asks for what
its quote says, and a quote never changes."""

from piccolo.columns import Array, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.addresses.tables import DepositAddress
from app.core import columns
from app.merchants.tables import Merchant


class Invoice(Table, tablename="invoices"):
    """A request for one exact payment.

    `needs_review` is the anomaly beside the progress in `status`: a paid invoice that got a second transfer
    stays paid and needs review. `holds_order_id` is what makes an order id unique; it becomes false on
    cancellation and expiry and stays so. `accept_parts`: several deposits may pay it together.

    `price_raw`, in minor units of the currency `price_currency`, is null where the invoice is priced in its asset.
    With a price, the columns from `network` to `confirmations_required` are those of `quote`, and null while nothing is
    chosen. `pay_in_assets` are the assets that the customer may choose (`choices.py`); null: all that are offered.

    `payment_link` is the id of the link that it was made by, which is never deleted: a key would cost each creation.

    `service_fee_raw` is the fee of the exact amount. What was taken of the transfers that count is
    `service_fee_charged_raw`, null with `credited_raw`.
    """

    id = columns.public_id()
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    status = columns.words(20)
    needs_review = columns.flag()
    network = columns.words(40, null=True)
    asset = columns.words(20, null=True)
    amount_raw = columns.raw_amount(null=True)
    service_fee_bps = columns.number()
    service_fee_raw = columns.raw_amount(null=True)
    fee_payer = columns.words(10)
    cent_tail = columns.number(null=True)
    pay_in_raw = columns.raw_amount(null=True)
    net_raw = columns.raw_amount(null=True)
    deposit_address = columns.reference(DepositAddress, null=True)
    address = columns.words(100, null=True)
    confirmations_required = columns.number(null=True)
    received_raw = columns.raw_amount()
    credited_raw = columns.raw_amount(null=True)
    service_fee_charged_raw = columns.raw_amount(null=True)
    refunded_raw = columns.raw_total()
    description = columns.words(500, null=True)
    order_id = columns.words(100, null=True)
    holds_order_id = columns.flag()
    customer_id = columns.words(100, null=True)
    customer_email_hash = columns.digest(null=True)
    success_url = columns.words(2048, null=True)
    fail_url = columns.words(2048, null=True)
    webhook_url = columns.words(2048, null=True)
    metadata = columns.text()
    expires_at = columns.moment()
    created_at = columns.moment()
    paid_at = columns.moment(null=True)
    accept_parts = columns.switch()
    price_raw = columns.raw_amount(null=True)
    price_currency = columns.words(3, null=True)
    pay_in_assets = Array(base_column=Varchar(length=61), default=None, null=True)
    quote = columns.words(20, null=True)
    quote_expires_at = columns.moment(null=True)
    payment_link = columns.words(20, null=True)

    invoices_status_known = columns.one_of(
        "status",
        "awaiting_choice",
        "awaiting_deposit",
        "confirming",
        "paid",
        "partially_refunded",
        "refunded",
        "expired",
        "cancelled",
        "manual_review",
        "closed",
    )
    fee_payer_known = columns.one_of("fee_payer", "merchant", "customer")
    amounts_add_up = Check("amount_raw > 0 AND service_fee_raw >= 0 AND net_raw = pay_in_raw - service_fee_raw")
    tail_in_range = Check("cent_tail BETWEEN 0 AND 99")
    received_not_negative = Check("received_raw >= 0")
    refunded_not_negative = Check("refunded_raw >= 0")
    invoices_price_whole = Check(
        "price_raw > 0 AND price_currency IS NOT NULL"
        " OR price_raw IS NULL AND price_currency IS NULL AND pay_in_assets IS NULL AND quote IS NULL"
    )
    invoices_quote_whole = Check("(quote IS NULL) = (quote_expires_at IS NULL)")
    invoices_asked_whole = Check(
        "num_nulls(network, asset, amount_raw, service_fee_raw, cent_tail, pay_in_raw, net_raw, deposit_address,"
        " address, confirmations_required) = CASE WHEN price_raw IS NULL OR quote IS NOT NULL THEN 0 ELSE 10 END"
    )
    invoices_choice_open = Check(
        "(status <> 'awaiting_choice' OR quote IS NULL)"
        " AND (network IS NOT NULL OR status IN ('awaiting_choice', 'expired', 'cancelled'))"
    )


class Quote(Table, tablename="quotes"):
    """What an invoice's price is in one asset, at the address that is leased for it, until `expires_at`.

    `amount_raw` is the price with the merchant's spread at the rate (quoting.py); fee, tail and the rest follow as for
    any invoice (pricing.py). `invoice`, `rate` and `deposit_address` are ids of `invoices`, `used_rates` and
    `deposit_addresses`, of which no row is ever deleted: keys would cost a creation a tenth of its time. `state` is
    `open` until every block up to `expires_at` is scanned, then `ended`.
    """

    id = columns.public_id()
    invoice = columns.words(20)
    network = columns.words(40)
    asset = columns.words(20)
    rate = columns.big_number()
    spread_bps = columns.number()
    amount_raw = columns.raw_amount()
    service_fee_raw = columns.raw_amount()
    cent_tail = columns.number()
    pay_in_raw = columns.raw_amount()
    net_raw = columns.raw_amount()
    deposit_address = columns.big_number()
    address = columns.words(100)
    confirmations_required = columns.number()
    created_at = columns.moment()
    expires_at = columns.moment()
    state = columns.words(10)

    quotes_address_once = Unique(["invoice", "deposit_address"])
    quotes_state_known = columns.one_of("state", "open", "ended")
    quotes_amounts_add_up = Check(
        "amount_raw > 0 AND service_fee_raw >= 0 AND net_raw > 0 AND net_raw = pay_in_raw - service_fee_raw"
    )
    quotes_tail_in_range = Check("cent_tail BETWEEN 0 AND 99")
    quotes_expire_later = Check("expires_at > created_at")
