"""What leads to each type of event, done for real in the sandbox: by the merchant's API, on the chain, at the desk."""

import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from app.core.money import format_amount, parse_amount
from app.events.types import TEST
from app.sandbox.customer import CustomerError, EvmCustomer
from app.sandbox.home import Interface
from app.sandbox.integrator import Integrator, wait_for
from app.sandbox.operator import SandboxOperator

CHAIN, ASSET, AMOUNT = "ethereum", "USDT", "5.00"
PART = "2.00"
"""Of a payout, and of a refund that is not of all."""

SOMEBODY = "0x1111111111111111111111111111111111111111"
"""Where payouts go."""

PRICE = {"amount": "49.90", "currency": "EUR"}
REASON = "Triggered in the sandbox"
PATIENCE_S = 180.0
"""Several times what the slowest step needs on a busy machine."""

EVENTS_AT_ONCE = 100
MINED_MEANWHILE = 1
"""Blocks that may come between the look at the chain and its reorganisation. One more is replaced, not many: older
blocks have other payments."""

MOST_INVOICES = 5
"""Paid for the money of one payout: after a reversal the balance may be below zero."""


class Trigger(msgspec.Struct, frozen=True):
    """How an event is led to. `act` returns the id of what the event is about."""

    does: str
    act: Callable[["World"], str]


class World:
    """The merchant's server, the customer and the operator of a running sandbox. `say` gets a line for each event.

    Methods raise IntegratorError and CustomerError.
    """

    def __init__(
        self, interface: Interface, customer: EvmCustomer, operator: SandboxOperator, say: Callable[[str], None]
    ) -> None:
        self.interface = interface
        self.integrator = Integrator(interface)
        self.customer = customer
        self.operator = operator
        self._say = say
        newest = self.integrator.get("/events", limit=1)["data"]
        self._after_seq = newest[0]["seq"] if newest else 0
        self._seen: set[tuple[str, str]] = set()

    def trigger(self, type: str) -> str:
        """Do what leads to an event of this type, and return once it is there; the id of what it is about."""
        subject = TRIGGERS[type].act(self)
        self.until(type, subject)
        return subject

    def until(self, type: str, subject: str) -> None:
        """Wait for an event about something. Every other event that comes meanwhile is said, too."""

        def look() -> bool | None:
            for event in self.integrator.get("/events", after_seq=self._after_seq, limit=EVENTS_AT_ONCE)["data"]:
                self._after_seq = event["seq"]
                about = str(event["data"].get(f"{event['type'].partition('.')[0]}_id"))
                self._seen.add((event["type"], about))
                self._say(f"{event['type']:<26}  {about:<14}  event {event['seq']}, {event['event_id']}")
            return (type, subject) in self._seen or None

        wait_for(f"{type} of {subject}", look, PATIENCE_S)

    def invoice(self) -> dict[str, Any]:
        """A new invoice."""
        body = {"amount": AMOUNT, "currency": ASSET, "chain": CHAIN, "description": REASON}
        return self.post("/invoices", body)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Call the API as the merchant's server."""
        answer: dict[str, Any] = self.integrator.post(path, body, once=f"trigger-{uuid.uuid4().hex}")
        return answer

    def pay(self, invoice: dict[str, Any], *, share: int = 1) -> None:
        """Pay an invoice on the chain: all of it, or one of `share` parts."""
        pay_in = invoice["pay_in"]
        self.customer.send(pay_in["asset"], pay_in["address"], int(pay_in["amount_raw"]) // share)

    def paid_invoice(self) -> str:
        """An invoice that is paid."""
        invoice = self.invoice()
        self.pay(invoice)
        self.until("invoice.paid", invoice["id"])
        return str(invoice["id"])

    def refund(self, amount: str | None = None, *, approved: bool = True) -> tuple[str, str]:
        """A refund of a paid invoice: of its whole net, unless an amount is given. Ids of refund and invoice."""
        invoice_id = self.paid_invoice()
        net = format_amount(int(self.integrator.get(f"/invoices/{invoice_id}")["net_raw"]), self._decimals)
        body = {"amount": amount or net, "refund_address": self.customer.address, "reason": REASON}
        refund_id = str(self.post(f"/invoices/{invoice_id}/refunds", body)["id"])
        if approved:
            self.operator.approve(refund_id)
        return refund_id, invoice_id

    def payout(self, *, approved: bool = True) -> str:
        """A payout, of money that an invoice brings first where the merchant has not enough. Its id."""
        for _ in range(MOST_INVOICES):
            if self._available_raw() >= parse_amount(PART, self._decimals):
                break
            self.paid_invoice()
        body = {"asset": ASSET, "chain": CHAIN, "amount": PART, "destination": SOMEBODY, "description": REASON}
        payout_id = str(self.post("/payouts", body)["id"])
        if approved:
            self.operator.approve(payout_id)
        return payout_id

    def _available_raw(self) -> int:
        balances = self.integrator.get("/balance")["data"]
        return sum(int(one["available_raw"]) for one in balances if (one["asset"], one["chain"]) == (ASSET, CHAIN))

    @property
    def _decimals(self) -> int:
        ethereum = self.interface.networks.ethereum
        assert ethereum is not None
        return ethereum.assets[ASSET].decimals


def _created(world: World) -> str:
    return str(world.invoice()["id"])


def _quoted(world: World) -> str:
    invoice_id = str(world.post("/invoices", PRICE)["id"])
    world.post(f"/invoices/{invoice_id}/quotes", {"asset": ASSET, "chain": CHAIN})
    return invoice_id


def _paid(world: World) -> str:
    invoice = world.invoice()
    world.pay(invoice)
    return str(invoice["id"])


def _underpaid(world: World) -> str:
    invoice = world.invoice()
    world.pay(invoice, share=2)
    return str(invoice["id"])


def _expired(world: World) -> str:
    invoice_id = _created(world)
    world.operator.end_time_to_pay(invoice_id)
    return invoice_id


def _cancelled(world: World) -> str:
    invoice_id = _created(world)
    world.post(f"/invoices/{invoice_id}/cancel", {})
    return invoice_id


def _closed(world: World) -> str:
    invoice_id = _underpaid(world)
    world.until("invoice.manual_review", invoice_id)
    for deposit in world.integrator.get(f"/invoices/{invoice_id}")["deposits"]:
        world.operator.close_review(deposit["id"], REASON)
    return invoice_id


def _reversed(world: World) -> str:
    invoice_id = world.paid_invoice()
    (deposit,) = world.integrator.get(f"/invoices/{invoice_id}")["deposits"]
    block = world.customer.wait_until_mined(deposit["txid"]).block_height
    head = int(world.customer.rpc("eth_blockNumber"), 16)
    world.customer.reorganise(head - block + 1 + MINED_MEANWHILE)
    world.until("invoice.reversed", invoice_id)
    world.operator.release_holds(REASON)
    return invoice_id


def _payout_rejected(world: World) -> str:
    payout_id = world.payout(approved=False)
    world.operator.reject(payout_id, REASON)
    return payout_id


def _payout_cancelled(world: World) -> str:
    payout_id = world.payout(approved=False)
    world.post(f"/payouts/{payout_id}/cancel", {})
    return payout_id


def _refund_rejected(world: World) -> str:
    refund_id, _ = world.refund(PART, approved=False)
    world.operator.reject(refund_id, REASON)
    return refund_id


def _test(world: World) -> str:
    endpoint_id = world.interface.webhook_receiver.endpoint_id
    world.post(f"/webhooks/{endpoint_id}/test", {})
    return endpoint_id


_PAY_OUT = Trigger("a payout that the operator approves; the signer sends it", lambda world: world.payout())
_REFUND = Trigger("a refund that the operator approves; the signer sends it", lambda world: world.refund(PART)[0])

TRIGGERS: Mapping[str, Trigger] = MappingProxyType(
    {
        "invoice.created": Trigger("an invoice", _created),
        "invoice.quoted": Trigger("a price in euros, for which the customer chooses USDT", _quoted),
        "invoice.confirming": Trigger("an invoice that the customer pays on the chain", _paid),
        "invoice.paid": Trigger("an invoice that the customer pays on the chain, confirmed", _paid),
        "invoice.manual_review": Trigger("an invoice of which the customer pays half", _underpaid),
        "invoice.expired": Trigger("an invoice whose time to pay ends early", _expired),
        "invoice.cancelled": Trigger("an invoice that is cancelled", _cancelled),
        "invoice.closed": Trigger("half a payment, whose review the operator closes", _closed),
        "invoice.partially_refunded": Trigger(
            "a paid invoice of which a part is refunded", lambda world: world.refund(PART)[1]
        ),
        "invoice.refunded": Trigger("a paid invoice that is refunded", lambda world: world.refund()[1]),
        "invoice.reversed": Trigger(
            "a paid invoice whose blocks are replaced; the operator releases the hold on payouts", _reversed
        ),
        "payout.pending_approval": Trigger(
            "a payout that waits for the operator", lambda world: world.payout(approved=False)
        ),
        "payout.approved": _PAY_OUT,
        "payout.submitted": _PAY_OUT,
        "payout.confirmed": _PAY_OUT,
        "payout.rejected": Trigger("a payout that the operator rejects", _payout_rejected),
        "payout.cancelled": Trigger("a payout that the merchant cancels", _payout_cancelled),
        "refund.pending_approval": Trigger(
            "a refund that waits for the operator", lambda world: world.refund(PART, approved=False)[0]
        ),
        "refund.approved": _REFUND,
        "refund.submitted": _REFUND,
        "refund.confirmed": _REFUND,
        "refund.rejected": Trigger("a refund that the operator rejects", _refund_rejected),
        TEST: Trigger("a test event for the sandbox's endpoint", _test),
    }
)

NOT_HERE: Mapping[str, str] = MappingProxyType(
    {
        "payout.failed": "the signer tries each transfer out first, so none fails here",
        "refund.failed": "the signer tries each transfer out first, so none fails here",
        "refund.cancelled": "a refund is rejected, nobody can cancel it",
    }
)
"""The types that nothing in the sandbox leads to, and why."""


def world_of(interface: Interface, customer: object, operator: SandboxOperator, say: Callable[[str], None]) -> World:
    """The world of a running sandbox. Raises CustomerError where it runs without ethereum."""
    if not isinstance(customer, EvmCustomer):
        raise CustomerError("the sandbox runs without ethereum, on which events are triggered")
    return World(interface, customer, operator, say)
