"""Contains all the data models used in inputs/outputs"""

from .asset import Asset
from .asset_list import AssetList
from .asset_on_chain import AssetOnChain
from .asset_rate import AssetRate
from .attempt import Attempt
from .balance import Balance
from .balance_list import BalanceList
from .block import Block
from .delivery import Delivery
from .delivery_page import DeliveryPage
from .delivery_status import DeliveryStatus
from .deposit import Deposit
from .error import Error
from .error_code import ErrorCode
from .error_response import ErrorResponse
from .event import Event
from .event_data import EventData
from .event_page import EventPage
from .fee_payer import FeePayer
from .invoice import Invoice
from .invoice_event import InvoiceEvent
from .invoice_event_type import InvoiceEventType
from .invoice_page import InvoicePage
from .invoice_request import InvoiceRequest
from .invoice_status import InvoiceStatus
from .ledger_entry import LedgerEntry
from .ledger_page import LedgerPage
from .ledger_proof import LedgerProof
from .ledger_reference import LedgerReference
from .ledger_verification import LedgerVerification
from .metadata import Metadata
from .mode import Mode
from .network import Network
from .network_list import NetworkList
from .pay_in import PayIn
from .payment_link import PaymentLink
from .payment_link_change import PaymentLinkChange
from .payment_link_page import PaymentLinkPage
from .payment_link_request import PaymentLinkRequest
from .payout import Payout
from .payout_event import PayoutEvent
from .payout_event_type import PayoutEventType
from .payout_page import PayoutPage
from .payout_request import PayoutRequest
from .price import Price
from .proof_leaf import ProofLeaf
from .queued_deliveries import QueuedDeliveries
from .queued_test_event import QueuedTestEvent
from .quote import Quote
from .rate_list import RateList
from .rate_source import RateSource
from .redelivery_request import RedeliveryRequest
from .refund import Refund
from .refund_event import RefundEvent
from .refund_event_type import RefundEventType
from .refund_page import RefundPage
from .refund_request import RefundRequest
from .replay_request import ReplayRequest
from .review import Review
from .rotation_request import RotationRequest
from .signed_document import SignedDocument
from .statement import Statement
from .statement_balance import StatementBalance
from .statement_ledger import StatementLedger
from .statement_line import StatementLine
from .statement_lines import StatementLines
from .statement_month import StatementMonth
from .statement_months import StatementMonths
from .statement_movement import StatementMovement
from .transaction import Transaction
from .transaction_transfer import TransactionTransfer
from .webhook import Webhook
from .webhook_change import WebhookChange
from .webhook_page import WebhookPage
from .webhook_request import WebhookRequest
from .webhook_status import WebhookStatus
from .webhook_with_secret import WebhookWithSecret
from .withdrawal_status import WithdrawalStatus
from .worth import Worth

__all__ = (
    "Asset",
    "AssetList",
    "AssetOnChain",
    "AssetRate",
    "Attempt",
    "Balance",
    "BalanceList",
    "Block",
    "Delivery",
    "DeliveryPage",
    "DeliveryStatus",
    "Deposit",
    "Error",
    "ErrorCode",
    "ErrorResponse",
    "Event",
    "EventData",
    "EventPage",
    "FeePayer",
    "Invoice",
    "InvoiceEvent",
    "InvoiceEventType",
    "InvoicePage",
    "InvoiceRequest",
    "InvoiceStatus",
    "LedgerEntry",
    "LedgerPage",
    "LedgerProof",
    "LedgerReference",
    "LedgerVerification",
    "Metadata",
    "Mode",
    "Network",
    "NetworkList",
    "PayIn",
    "PaymentLink",
    "PaymentLinkChange",
    "PaymentLinkPage",
    "PaymentLinkRequest",
    "Payout",
    "PayoutEvent",
    "PayoutEventType",
    "PayoutPage",
    "PayoutRequest",
    "Price",
    "ProofLeaf",
    "QueuedDeliveries",
    "QueuedTestEvent",
    "Quote",
    "RateList",
    "RateSource",
    "RedeliveryRequest",
    "Refund",
    "RefundEvent",
    "RefundEventType",
    "RefundPage",
    "RefundRequest",
    "ReplayRequest",
    "Review",
    "RotationRequest",
    "SignedDocument",
    "Statement",
    "StatementBalance",
    "StatementLedger",
    "StatementLine",
    "StatementLines",
    "StatementMonth",
    "StatementMonths",
    "StatementMovement",
    "Transaction",
    "TransactionTransfer",
    "Webhook",
    "WebhookChange",
    "WebhookPage",
    "WebhookRequest",
    "WebhookStatus",
    "WebhookWithSecret",
    "WithdrawalStatus",
    "Worth",
)
