"""The examples of the OpenAPI document that several routes share: one order, from the request to the ledger."""

import msgspec

from app.invoices.presentation import DepositBody, InvoiceBody, PayIn, PriceBody, QuoteBody, RateSourceBody
from app.invoices.states import Status
from app.ledger.hashchain import GENESIS_HASH, ChainId, Entry, Reference, entry_hash
from app.withdrawals.presentation import PayoutBody, RefundBody
from app.withdrawals.states import Status as WithdrawalStatus

EVENT_ID = "5f0c7b0e-3f2a-4b8e-9d57-0c9a5a3c1f11"

NEW_INVOICE = {
    "amount": "5.00",
    "currency": "USDT",
    "chain": "ethereum",
    "description": "Order 1042: two linen shirts",
    "order_id": "1042",
    "success_url": "https://shop.example/orders/1042/thanks",
    "fail_url": "https://shop.example/orders/1042",
    "metadata": {"cart": "c-93"},
    "expires_in": 60,
}

INVOICE = InvoiceBody(
    id="INV-7K3V9ZQ2TA",
    mode="test",
    status=Status.AWAITING_DEPOSIT,
    needs_review=False,
    review=None,
    price=None,
    amount_decimal="5.00",
    amount_raw="5000000",
    pay_in=PayIn(
        asset="USDT",
        chain="ethereum",
        address="0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        memo=None,
        amount_decimal="5.000073",
        amount_raw="5000073",
        cent_tail=73,
        confirmations_required=12,
        payment_uri="ethereum:0x5FbDB2315678afecb367f032d93F642f64180aa3@11155111/transfer"
        "?address=0x70997970C51812dc3A010C7d01b50e0d17dc79C8&uint256=5000073",
    ),
    quotes=[],
    pay_in_assets=None,
    service_fee_bps=80,
    service_fee_raw="40000",
    fee_payer="merchant",
    net_raw="4960073",
    received_raw="0",
    credited=False,
    credited_raw=None,
    service_fee_charged_raw=None,
    refunded_raw="0",
    deposits=[],
    order_id="1042",
    description="Order 1042: two linen shirts",
    customer_id=None,
    metadata={"cart": "c-93"},
    success_url="https://shop.example/orders/1042/thanks",
    fail_url="https://shop.example/orders/1042",
    webhook_url=None,
    payment_url="https://pay.example.com/pay/INV-7K3V9ZQ2TA.Jx0c2VhbGVkLWxpbmstbWFj",
    expires_at="2026-01-31T10:30:00.000000Z",
    created_at="2026-01-31T09:30:00.000000Z",
    paid_at=None,
)

_QUOTED = PayIn(
    asset="USDT",
    chain="ethereum",
    address="0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    memo=None,
    amount_decimal="54.239273",
    amount_raw="54239273",
    cent_tail=73,
    confirmations_required=12,
    payment_uri="ethereum:0x5FbDB2315678afecb367f032d93F642f64180aa3@11155111/transfer"
    "?address=0x70997970C51812dc3A010C7d01b50e0d17dc79C8&uint256=54239273",
)

_DEPOSIT = DepositBody(
    id="DEP-2M8XW4C0RN",
    txid="0x3f1a9c0b5e7d2846a1c3f5b7d9e0a2c4b6d8f0a1b3c5d7e9f1a2b4c6d877e0b2",
    index=4,
    asset="USDT",
    amount_decimal="5.000073",
    amount_raw="5000073",
    from_address="0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    block_height=7_310_442,
    confirmations=12,
    status="credited",
    verdict="exact",
    review_reason=None,
    seen_at="2026-01-31T09:34:12.418290Z",
)

PAID_INVOICE = msgspec.structs.replace(
    INVOICE,
    status=Status.PAID,
    received_raw="5000073",
    credited=True,
    credited_raw="4960073",
    service_fee_charged_raw="40000",
    deposits=[_DEPOSIT],
    paid_at="2026-01-31T09:36:36.120455Z",
)

NEW_QUOTE = {"asset": "USDT", "chain": "ethereum"}

QUOTED_INVOICE = msgspec.structs.replace(
    INVOICE,
    price=PriceBody(amount_decimal="49.90", currency="EUR"),
    amount_decimal="54.2392",
    amount_raw="54239200",
    pay_in=_QUOTED,
    quotes=[
        QuoteBody(
            id="QT-4H9R1WJ6XD",
            state="open",
            pay_in=_QUOTED,
            rate="0.92",
            rate_at="2026-01-31T09:29:51.004000Z",
            sources=[
                RateSourceBody(name="coinbase", rate="0.9201", at="2026-01-31T09:29:52.118000Z", used=True),
                RateSourceBody(name="kraken", rate="0.9199", at="2026-01-31T09:29:51.004000Z", used=True),
            ],
            spread_bps=0,
            created_at="2026-01-31T09:30:00.000000Z",
            expires_at="2026-01-31T09:45:00.000000Z",
        )
    ],
    service_fee_raw="433914",
    net_raw="53805359",
)

CANCELLED_INVOICE = msgspec.structs.replace(INVOICE, status=Status.CANCELLED)

PAYOUT = PayoutBody(
    id="PO-6N4W0D8JXC",
    mode="test",
    status=WithdrawalStatus.PENDING_APPROVAL,
    asset="USDT",
    chain="ethereum",
    amount_decimal="2.50",
    amount_raw="2500000",
    fee_decimal="0.10",
    fee_raw="100000",
    destination="0x71C7656EC7ab88b098defB751B7401B5f6d8976F",
    destination_memo=None,
    description="January",
    metadata={"batch": "7"},
    txid=None,
    held=False,
    waiting_reason=None,
    status_reason=None,
    created_at="2026-01-31T10:00:00.000000Z",
    approved_at=None,
    submitted_at=None,
    settled_at=None,
)

REFUND = RefundBody(
    id="RF-1Z7Q3M9KHB",
    mode="test",
    status=WithdrawalStatus.PENDING_APPROVAL,
    invoice_id=PAID_INVOICE.id,
    deposit_id=None,
    asset="USDT",
    chain="ethereum",
    amount_decimal="2.50",
    amount_raw="2500000",
    fee_decimal="0.00",
    fee_raw="0",
    refund_address="0x71C7656EC7ab88b098defB751B7401B5f6d8976F",
    refund_address_memo=None,
    reason="one shirt came back",
    customer_visible_reason="The shirt that you sent back",
    txid=None,
    held=False,
    waiting_reason=None,
    status_reason=None,
    created_at="2026-01-31T10:00:00.000000Z",
    approved_at=None,
    submitted_at=None,
    settled_at=None,
)

_WITHOUT_HASH = Entry(
    seq=1,
    kind="invoice_credit",
    available_delta_raw="4960073",
    locked_delta_raw="0",
    available_after_raw="4960073",
    locked_after_raw="0",
    reference=Reference(type="deposit", id=_DEPOSIT.id),
    created_at="2026-01-31T09:36:36.120455Z",
    prev_hash=GENESIS_HASH,
    hash="",
)

LEDGER_ENTRY = msgspec.structs.replace(
    _WITHOUT_HASH,
    hash=entry_hash(ChainId(asset="USDT", network="ethereum:test", owner="MCH-5D0T8QH1ZB"), _WITHOUT_HASH),
)
"""Its hash is the correct one, for the merchant MCH-5D0T8QH1ZB."""
