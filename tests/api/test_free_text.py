"""Descriptions and reasons can't reverse the text around them, in the API and on any page."""

import types
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from app.api.v1.invoices import InvoiceRequest
from app.api.v1.payouts import PayoutRequest
from app.api.v1.refunds import RefundRequest
from app.api.v1.webhook_bodies import ReplayRequest, RotationRequest, WebhookChange, WebhookRequest
from app.core.text import DIRECTION_CONTROLS
from app.identity.forms import Form
from app.web.bodies import FREE_TEXT_FIELDS, decode
from tests.api.conftest import Integrator

BODIES = (
    InvoiceRequest,
    PayoutRequest,
    RefundRequest,
    WebhookRequest,
    WebhookChange,
    RotationRequest,
    ReplayRequest,
)

READ_BY_PROGRAMS = {
    *("amount", "asset", "chain", "currency", "fee_payer", "status"),
    *("destination", "destination_memo", "refund_address", "refund_address_memo"),
    *("order_id", "customer_id", "customer_email"),
    *("success_url", "fail_url", "webhook_url", "url"),
}


def holds_text(hint: Any) -> bool:
    return hint is str or any(holds_text(each) for each in get_args(hint) if not isinstance(each, types.MethodType))


@pytest.mark.parametrize("body", BODIES)
def test_every_field_of_text_is_read_by_people_or_by_programs(body: type[msgspec.Struct]) -> None:
    text = {name for name, hint in get_type_hints(body).items() if holds_text(hint)} - {"metadata", "event_types"}
    assert text <= FREE_TEXT_FIELDS | READ_BY_PROGRAMS


async def test_descriptions_lose_their_direction_controls(integrator: Integrator) -> None:
    made = await integrator.invoice(
        "k",
        description=f"Order {DIRECTION_CONTROLS}12 · עברית",
        order_id="12\u202e",
        metadata={"note": "\u202e", "name\u200f": 1},
    )
    assert made["description"] == "Order 12 · עברית"
    assert (made["order_id"], made["metadata"]) == ("12\u202e", {"note": "\u202e", "name\u200f": 1})
    assert (await integrator.get(f"/invoices/{made['id']}")).json() == made


def test_other_bodies_and_forms_lose_direction_controls_too() -> None:
    decoded = decode(
        b'{"amount":"1","refund_address":"0x","reason":"a\\u202eb","customer_visible_reason":"c\xe2\x80\xae"}',
        RefundRequest,
    )
    assert (decoded.reason, decoded.customer_visible_reason) == ("ab", "c")
    assert decode(b'{"url":"https://a","description":"\\u2066x"}', WebhookRequest).description == "x"
    assert decode(b'{"description":"\\u2066x"}', WebhookChange).description == "x"
    form = Form.of([("name", f" {DIRECTION_CONTROLS}Ann\u202e "), ("password", "\u202ep")])
    assert (form.text("name"), form.secret("password")) == ("Ann", "\u202ep")
    assert Form.of([("name", "\u202e")]).text("name", "nobody") == "nobody"
