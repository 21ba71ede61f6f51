"""What is known of a transaction that somebody asks about: plain values, for the rules in judging.py."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from app.deposits import matching
from app.networks.port import TransactionState


class Who(StrEnum):
    """Who asks."""

    CUSTOMER = "customer"
    """Of one invoice. Learns of that invoice alone."""
    MERCHANT = "merchant"
    """A server or a member of a merchant, in one mode. Learns of the merchant's invoices in that mode."""
    OPERATOR = "operator"
    """Learns of all."""


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `invoice_id` is the invoice that the transaction should have paid, where that is known: always for a
    customer. `merchant_id` and `mode` are None for operators."""

    who: Who
    merchant_id: str | None = None
    mode: str | None = None
    invoice_id: str | None = None

    @classmethod
    def customer(cls, invoice_id: str) -> "Viewer":
        """The customer of an invoice."""
        return cls(who=Who.CUSTOMER, invoice_id=invoice_id)

    @classmethod
    def merchant(cls, merchant_id: str, mode: str, invoice_id: str | None = None) -> "Viewer":
        """A merchant in a mode."""
        return cls(who=Who.MERCHANT, merchant_id=merchant_id, mode=mode, invoice_id=invoice_id)

    @classmethod
    def operator(cls) -> "Viewer":
        """An operator."""
        return cls(who=Who.OPERATOR)


class StoredDeposit(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit of the transaction, as the books have it. `is_visible`: the one who asks may know of it; only deposits
    that have an invoice are, except for operators. `head_height` is the newest block that was seen of its network."""

    network: str
    index: int
    asset: str
    amount_raw: int
    to_address: str
    invoice_id: str | None
    status: str
    verdict: matching.Verdict
    block_height: int | None
    block_hash: str | None
    gone_because: str | None
    replaced_by: str | None
    confirmations_required: int | None
    head_height: int | None
    is_visible: bool


class HeldAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address of ours that the one who asks may know of: that of an invoice, the newest one that they may see.
    `invoice_id` and `asset` are None where no invoice has had the address, which operators alone see."""

    network: str
    address: str
    invoice_id: str | None
    asset: str | None
    confirmations_required: int | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a verdict depends on.

    `asked` is the network on which the transaction was asked for, `found` the one that has it, else the same.
    `state` is what the node of `found` says; None where no node answered. `deposits` are those of the transaction on
    `found`, `addresses` those on any network of the kind to which it moves something. `is_replaced`: what an unknown
    transaction would use up is used by another one. `token_names` has what contracts of unknown tokens call themselves,
    cleaned. `confirmations` is how many the network asks for where no invoice says.
    """

    viewer: Viewer
    asked: str
    found: str
    state: TransactionState | None
    confirmations: int
    deposits: tuple[StoredDeposit, ...] = ()
    addresses: tuple[HeldAddress, ...] = ()
    is_replaced: bool = False
    replaced_by: str | None = None
    token_names: Mapping[str, str] = msgspec.field(default_factory=dict)
    symbols: frozenset[str] = frozenset()
    """The symbols of the assets of `found`."""
