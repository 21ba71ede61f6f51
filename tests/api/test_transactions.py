"""`GET /transactions/{chain}/{txid}`: the verdict with its figures, its limits, and that strangers learn nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from app.api_keys.scopes import Scope
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services, wire
from tests.api.conftest import Integrator, NewIntegrator
from tests.factories.payments import CONFIRMATIONS

NOWHERE = "0x00000000000000000000000000000000000000AA"
UNKNOWN = f"0x{64 * '7'}"


async def paid(services: Services, driver: AnvilDriver, token: str, invoice: dict[str, Any], amount_raw: int) -> str:
    """The id of a transaction that pays an invoice, which the watcher has seen."""
    receipt = await driver.transfer_token(token, invoice["pay_in"]["address"], amount_raw)
    (watcher,) = services.watchers()
    await watcher.tick()
    return str(receipt["transactionHash"])


async def test_a_payment_from_its_first_block_to_paid(
    integrator: Integrator, chain_settings: Callable[..., Settings], driver: AnvilDriver, token: str
) -> None:
    services = wire(chain_settings())
    (watcher,) = services.watchers()
    await watcher.tick()
    invoice = await integrator.invoice("k")
    other = await integrator.invoice("other")
    amount_raw = int(invoice["pay_in"]["amount_raw"])
    txid = await paid(services, driver, token, invoice, amount_raw)
    answer = await integrator.get(f"/transactions/ethereum/0X{txid[2:].upper()}")
    assert answer.status_code == 200, answer.text
    amount = invoice["pay_in"]["amount_decimal"]
    assert answer.json() == {
        "verdict": "confirming",
        "message": f"It brings {amount} USDT for {invoice['id']}: 1 of 3 confirmations.",
        "chain": "ethereum",
        "txid": txid,
        "confirmations": 1,
        "confirmations_required": CONFIRMATIONS,
        "invoice_id": invoice["id"],
        "replaced_by": None,
        "transfers": [
            {
                "index": answer.json()["transfers"][0]["index"],
                "to_address": invoice["pay_in"]["address"],
                "asset": "USDT",
                "amount_decimal": amount,
                "amount_raw": str(amount_raw),
                "invoice_id": invoice["id"],
                "verdict": "confirming",
            }
        ],
        "network_answered": True,
        "explorer_url": None,
    }
    await driver.mine(CONFIRMATIONS)
    await watcher.tick()
    done = (await integrator.get(f"/transactions/ethereum/{txid}")).json()
    assert (done["verdict"], done["confirmations"]) == ("paid", CONFIRMATIONS + 1)
    named = (await integrator.get(f"/transactions/ethereum/{txid}", invoice_id=other["id"])).json()
    assert (named["verdict"], named["invoice_id"]) == ("other_invoice", invoice["id"])
    unknown = (await integrator.get(f"/transactions/ethereum/{UNKNOWN}")).json()
    assert (unknown["verdict"], unknown["transfers"], unknown["confirmations"]) == ("unknown", [], None)


async def test_strangers_learn_nothing(
    new_integrator: NewIntegrator, chain_settings: Callable[..., Settings], driver: AnvilDriver, token: str
) -> None:
    """The answers to what pays another merchant and to what pays nobody are the same but for the id."""
    services = wire(chain_settings())
    (watcher,) = services.watchers()
    await watcher.tick()
    owner, stranger = await new_integrator(), await new_integrator()
    invoice, theirs = await owner.invoice("k"), await stranger.invoice("k")
    to_owner = await paid(services, driver, token, invoice, int(invoice["pay_in"]["amount_raw"]))
    to_nobody = str((await driver.transfer_token(token, NOWHERE, 5_000_000))["transactionHash"])
    await watcher.tick()
    for params in ({}, {"invoice_id": theirs["id"]}):
        bodies = []
        for txid in (to_owner, to_nobody):
            answer = await stranger.get(f"/transactions/ethereum/{txid}", **params)
            bodies.append(answer.content.replace(txid.encode(), b"the id"))
        assert bodies[0] == bodies[1]
        assert b'"elsewhere"' in bodies[0]
    foreign = await stranger.get(f"/transactions/ethereum/{to_owner}", invoice_id=invoice["id"])
    none = await stranger.get(f"/transactions/ethereum/{to_owner}", invoice_id="INV-0000000000")
    assert foreign.status_code == none.status_code == 404
    assert foreign.json()["error"]["code"] == none.json()["error"]["code"] == "INVOICE_NOT_FOUND"


@pytest.mark.parametrize(
    ("chain", "txid", "field"),
    [
        ("dogecoin", UNKNOWN, "chain"),
        ("ETHEREUM", UNKNOWN, "chain"),
        ("ethereum", "0x123", "txid"),
        ("ethereum", 64 * "7", "txid"),
        ("ethereum", f"{UNKNOWN}%0A", "txid"),
    ],
)
async def test_what_is_no_chain_or_no_id_is_refused(integrator: Integrator, chain: str, txid: str, field: str) -> None:
    answer = await integrator.get(f"/transactions/{chain}/{txid}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_INPUT")
    assert answer.json()["error"]["message"].startswith(f"{field}: ")


async def test_sixty_a_minute_from_one_address_whatever_the_key(new_integrator: NewIntegrator) -> None:
    one, other = await new_integrator(), await new_integrator()
    for at in range(60):
        answer = await (one, other)[at % 2].get("/transactions/ethereum/no-id")
        assert answer.status_code == 400
    answer = await one.get(f"/transactions/ethereum/{UNKNOWN}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "IP_RATE_LIMITED")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


async def test_a_key_needs_to_read_invoices(new_integrator: NewIntegrator) -> None:
    reader = await new_integrator(Scope.BALANCE_READ)
    answer = await reader.get(f"/transactions/ethereum/{UNKNOWN}")
    assert answer.json()["error"]["code"] == "MISSING_SCOPE"
