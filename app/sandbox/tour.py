"""The demo's payments through public interfaces only, with each step of integrator and customer printed."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from app.core.money import format_amount
from app.sandbox import signatures
from app.sandbox.customer import Customer
from app.sandbox.home import Bitcoin, Ethereum, Interface, Tron
from app.sandbox.integrator import Integrator, IntegratorError, wait_for
from app.sandbox.terminal import Terminal

SEEN_TIMEOUT_S, PAID_TIMEOUT_S, WEBHOOKS_TIMEOUT_S, RATES_TIMEOUT_S = 30.0, 60.0, 45.0, 45.0
"""Several times what a loaded machine needs; after that, the logs show the reason."""

EVENTS = ("invoice.created", "invoice.confirming", "invoice.paid")
INVOICES: dict[str, dict[str, str]] = {
    "ethereum": {"amount": "5.00", "currency": "USDT", "description": "A first payment"},
    "bitcoin": {"amount": "0.00050", "currency": "BTC", "description": "A first payment in bitcoin"},
    "tron": {"amount": "5.00", "currency": "USDT", "description": "A first payment on Tron"},
}
"""What is asked for on each chain."""

PRICE = {"amount": "49.90", "currency": "EUR", "description": "A price in euros"}
PAID_WITH = (("bitcoin", "BTC"), ("tron", "USDT"))
"""The chains and assets that the customer chooses for prices, as far as the sandbox has them."""

ELSE_PAID_WITH = (("ethereum", "USDT"),)
"""What is chosen where it has none of these."""


def make_payments(interface: Interface, customers: Mapping[str, Customer], terminal: Terminal) -> None:
    """Create an invoice on each chain, pay it, and show the results; then prices in euros. Raises
    IntegratorError, CustomerError."""
    integrator = Integrator(interface)
    try:
        for chain, customer in customers.items():
            if len(customers) > 1:
                terminal.heading(f"A payment on {chain}")
            _make_payment(integrator, interface, chain, customer, terminal)
        for chain, asset in [one for one in PAID_WITH if one[0] in customers] or ELSE_PAID_WITH:
            terminal.heading(f"A price in euros, paid in {asset} on {chain}")
            _pay_price(integrator, chain, asset, customers[chain], terminal)
    finally:
        integrator.close()


def _make_payment(
    integrator: Integrator, interface: Interface, chain: str, customer: Customer, terminal: Terminal
) -> None:
    invoice = _create_invoice(integrator, chain, terminal)
    _pay(invoice, customer, terminal)
    paid = _confirm(integrator, invoice, customer, terminal)
    _show_ledger(integrator, paid, _decimals(interface, paid), terminal)
    _verify_webhooks(integrator, interface.webhook_receiver.secret, paid, terminal)


def _pay_price(integrator: Integrator, chain: str, asset: str, customer: Customer, terminal: Terminal) -> None:
    """Create an invoice with a price, choose an asset as the customer would, pay it, and show what it was worth."""

    def has_rate() -> bool | None:
        listed = integrator.get("/rates", currency=PRICE["currency"])["data"]
        return any(one["asset"] == asset and one["rate"] for one in listed) or None

    wait_for(f"a rate of {asset}", has_rate, RATES_TIMEOUT_S)
    order = uuid.uuid4().hex[:8]
    invoice: dict[str, Any] = integrator.post("/invoices", PRICE | {"order_id": order}, once=f"tour-{order}")
    terminal.fact("invoice", f"{invoice['id']}, {invoice['status']}")
    terminal.fact("price", f"{invoice['price']['amount_decimal']} {invoice['price']['currency']}")
    terminal.fact("checkout page", invoice["payment_url"])
    invoice = integrator.post(
        f"/invoices/{invoice['id']}/quotes", {"asset": asset, "chain": chain}, once=f"tour-choice-{order}"
    )
    quote = invoice["quotes"][0]
    sources = ", ".join(f"{source['name']} {source['rate']}" for source in quote["sources"])
    terminal.fact("rate", f"1 {asset} = {quote['rate']} {PRICE['currency']} ({sources})")
    terminal.fact("to pay", f"{quote['pay_in']['amount_decimal']} {asset} before {quote['expires_at']}")
    _pay(invoice, customer, terminal)
    paid = _confirm(integrator, invoice, customer, terminal)
    worth = paid["worth"]
    shown = f"{worth['amount_decimal']} {worth['currency']}" if worth else "not known: there was no rate"
    terminal.fact("worth", f"{shown}, net of the fee")


def _create_invoice(integrator: Integrator, chain: str, terminal: Terminal) -> dict[str, Any]:
    terminal.heading("1. The merchant's server asks for a payment: POST /api/v1/merchant/invoices")
    order = uuid.uuid4().hex[:8]
    invoice: dict[str, Any] = integrator.post(
        "/invoices", INVOICES[chain] | {"chain": chain, "order_id": order}, once=f"tour-{order}"
    )
    pay_in = invoice["pay_in"]
    terminal.fact("invoice", f"{invoice['id']}, {invoice['status']}")
    terminal.fact("to pay", f"{pay_in['amount_decimal']} {pay_in['asset']} to {pay_in['address']}")
    terminal.fact("checkout page", invoice["payment_url"])
    if pay_in["address"] not in integrator.page(invoice["payment_url"]):
        raise IntegratorError(f"the checkout page {invoice['payment_url']} does not show the address")
    return invoice


def _pay(invoice: dict[str, Any], customer: Customer, terminal: Terminal) -> None:
    terminal.heading("2. The customer pays on the chain")
    pay_in = invoice["pay_in"]
    txid = customer.send(pay_in["asset"], pay_in["address"], int(pay_in["amount_raw"]))
    terminal.fact("transaction", txid)
    terminal.fact("it is", customer.arrival(txid))


def _confirm(integrator: Integrator, invoice: dict[str, Any], customer: Customer, terminal: Terminal) -> dict[str, Any]:
    terminal.heading("3. The gateway sees it and waits for confirmations")
    required = invoice["pay_in"]["confirmations_required"]
    with terminal.counting("confirmations", required) as reach:

        def poll() -> dict[str, Any] | None:
            current: dict[str, Any] = integrator.get(f"/invoices/{invoice['id']}")
            reach(max((deposit["confirmations"] for deposit in current["deposits"]), default=0))
            return current if current["deposits"] else None

        seen = wait_for("detection of the deposit", poll, SEEN_TIMEOUT_S)
        customer.hurry(max((deposit["confirmations"] for deposit in seen["deposits"]), default=0), required)
        paid = wait_for(
            "payment of the invoice",
            lambda: current if (current := poll()) and current["status"] == "paid" else None,
            PAID_TIMEOUT_S,
        )
    terminal.fact("status", f"{paid['status']} at {paid['paid_at']}")
    return paid


def _show_ledger(integrator: Integrator, paid: dict[str, Any], decimals: int, terminal: Terminal) -> None:
    terminal.heading("4. The ledger is credited: GET /api/v1/merchant/ledger")
    asset, chain = paid["pay_in"]["asset"], paid["pay_in"]["chain"]
    deposits = {deposit["id"] for deposit in paid["deposits"]}
    entries = integrator.get("/ledger", asset=asset, chain=chain)["data"]
    entry = next((entry for entry in entries if entry["reference"]["id"] in deposits), None)
    if entry is None or entry["available_delta_raw"] != paid["net_raw"]:
        raise IntegratorError(f"{paid['id']} is paid, but the ledger has no entry of {paid['net_raw']} for it")
    fee = format_amount(int(paid["service_fee_raw"]), decimals)
    terminal.fact("entry", f"no. {entry['seq']}, {entry['kind']} for {entry['reference']['id']}")
    terminal.fact("credited", f"{format_amount(int(paid['net_raw']), decimals)} {asset} (fee {fee} {asset})")
    terminal.fact("hash", entry["hash"])
    verdict = integrator.get("/ledger/verify", asset=asset, chain=chain)
    if not verdict["valid"]:
        raise IntegratorError(f"the ledger's chain of hashes breaks at entry {verdict['first_bad_seq']}")
    terminal.done(f"the chain of hashes verifies, up to entry {verdict['seq']}")


def _verify_webhooks(integrator: Integrator, secret: str, paid: dict[str, Any], terminal: Terminal) -> None:
    terminal.heading("5. The merchant's server receives signed webhooks")

    def poll() -> dict[str, dict[str, Any]] | None:
        arrived = {record["event_type"]: record for record in integrator.webhooks(paid["id"])}
        return arrived if all(event in arrived for event in EVENTS) else None

    arrived = wait_for(f"the arrival of {', '.join(EVENTS)}", poll, WEBHOOKS_TIMEOUT_S)
    for event in EVENTS:
        body = arrived[event]["body"].encode()
        try:
            signatures.verify(secret, arrived[event]["headers"], body)
        except signatures.BadSignature as error:
            raise IntegratorError(f"{event}: {error}") from None
        event_body = json.loads(body)
        if event_body["type"] != event or event_body["data"]["invoice_id"] != paid["id"]:
            raise IntegratorError(f"{event}: its body is of another event or invoice")
        terminal.done(f"{event:<18} event {event_body['event_id']}, both signatures verify")


def _decimals(interface: Interface, invoice: dict[str, Any]) -> int:
    pay_in = invoice["pay_in"]
    network: Ethereum | Bitcoin | Tron = getattr(interface.networks, pay_in["chain"])
    return network.assets[pay_in["asset"]].decimals
