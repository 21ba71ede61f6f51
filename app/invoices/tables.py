"""Invoices. Amounts, fee and address are fixed at creation and never change."""

from piccolo.constraints import Check
from piccolo.table import Table

from app.addresses.tables import DepositAddress
from app.core import columns
from app.merchants.tables import Merchant


class Invoice(Table, tablename="invoices"):
    """A request for one exact payment.

    `needs_review` is the anomaly beside the progress in `status`: a paid invoice that got a second transfer
    stays paid and needs review. `holds_order_id` is what makes an order id unique; it becomes false on
    cancellation and expiry and stays so. `accept_parts`: several deposits may pay it together.
    """

    id = columns.public_id()
    merchant = columns.reference(Merchant)
    mode = columns.words(4)
    status = columns.words(20)
    needs_review = columns.flag()
    network = columns.words(40)
    asset = columns.words(20)
    amount_raw = columns.raw_amount()
    service_fee_bps = columns.number()
    service_fee_raw = columns.raw_amount()
    fee_payer = columns.words(10)
    cent_tail = columns.number()
    pay_in_raw = columns.raw_amount()
    net_raw = columns.raw_amount()
    deposit_address = columns.reference(DepositAddress)
    address = columns.words(100)
    confirmations_required = columns.number()
    received_raw = columns.raw_amount()
    credited_raw = columns.raw_amount(null=True)
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

    status_known = columns.one_of(
        "status",
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
