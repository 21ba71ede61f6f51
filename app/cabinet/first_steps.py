"""The first steps on the home page of test mode: from an API key to the first paid test invoice.

Each step is ticked by what really happened (app/reports/first_steps.py). The list goes when a member puts it away, for
this member alone, and can be brought back from the settings.
"""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.merchants import applications, memberships_repository
from app.merchants.roles import Permission
from app.reports import first_steps
from app.reports.first_steps import FirstSteps

_OWN = NoStepUp("it changes only what this person sees")


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """Programs that create the first test invoice with the merchant's own values. They read the key from the
    environment, where `export` puts it."""

    export: str
    curl: str
    python: str
    typescript: str


def handlers(cabinet: Cabinet) -> list[Any]:
    """`first-steps/hide` and `first-steps/show`."""
    identity = cabinet.identity

    @form_post("/first-steps/hide", does="Put the first steps away", step_up=_OWN, page="/", opt=needs(Permission.VIEW))
    async def hide(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        await memberships_repository.hide_first_steps(ctx.member.account_id, ctx.merchant_id, True)
        return identity.redirect(request, ctx.base, flash="The first steps are put away. Settings brings them back.")

    @form_post(
        "/first-steps/show",
        does="Bring the first steps back",
        step_up=_OWN,
        page="/settings",
        opt=needs(Permission.SETTINGS_VIEW),
    )
    async def show(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        await memberships_repository.hide_first_steps(ctx.member.account_id, ctx.merchant_id, False)
        return identity.redirect(request, f"/cabinet/{ctx.merchant_id}/test")

    return [hide, show]


async def shown(cabinet: Cabinet, ctx: MemberContext, now: datetime) -> dict[str, Any] | None:
    """The first steps for the home page; None in live mode, once they are put away, and where they are long done."""
    if ctx.mode != "test" or not ctx.may(Permission.KEYS_VIEW):
        return None
    if await memberships_repository.first_steps_hidden(ctx.member.account_id, ctx.merchant_id):
        return None
    steps = await first_steps.of_merchant(ctx.merchant_id)
    if steps.is_complete and steps.is_old(now):
        return None
    return {
        "steps": steps,
        "samples": await _samples(cabinet, ctx) if not steps.has_invoice else None,
        "payment_url": _payment_url(cabinet, steps),
        "standing": ctx.member.standing,
        "has_applied": ctx.member.standing != "pending" or bool(await applications.of_merchant(ctx.merchant_id)),
    }


def _payment_url(cabinet: Cabinet, steps: FirstSteps) -> str:
    return "" if steps.open_invoice is None else cabinet.services.links.url(steps.open_invoice)


async def _samples(cabinet: Cabinet, ctx: MemberContext) -> Samples | None:
    """None where the merchant takes no asset in test mode."""
    choices = await assets.enabled(cabinet.services, ctx)
    if not choices:
        return None
    stable = next((one for one in choices if one.asset.symbol.startswith("USD")), choices[0])
    values = {
        "url": cabinet.services.settings.public_url.rstrip("/"),
        "asset": stable.asset.symbol,
        "chain": stable.network.chain,
    }
    return Samples(**{name: _filled(text, values) for name, text in _SAMPLES.items()})


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    return text


_SAMPLES = {
    "export": "export SWAP_PAY_KEY='paste the key here'",
    "curl": """\
curl -sS -X POST '<url>/api/v1/merchant/invoices' \\
  -H "Authorization: Bearer $SWAP_PAY_KEY" \\
  -H 'Idempotency-Key: first-test-invoice' \\
  -H 'Content-Type: application/json' \\
  -d '{"amount": "5.00", "currency": "<asset>", "chain": "<chain>"}'""",
    "python": """\
import os

import httpx  # pip install httpx

answer = httpx.post(
    "<url>/api/v1/merchant/invoices",
    headers={
        "Authorization": "Bearer " + os.environ["SWAP_PAY_KEY"],
        "Idempotency-Key": "first-test-invoice",
    },
    json={"amount": "5.00", "currency": "<asset>", "chain": "<chain>"},
)
answer.raise_for_status()
print(answer.json()["payment_url"])""",
    "typescript": """\
const answer = await fetch("<url>/api/v1/merchant/invoices", {
  method: "POST",
  headers: {
    Authorization: `Bearer ${process.env.SWAP_PAY_KEY}`,
    "Idempotency-Key": "first-test-invoice",
    "Content-Type": "application/json",
  },
  body: JSON.stringify({ amount: "5.00", currency: "<asset>", chain: "<chain>" }),
});
if (!answer.ok) throw new Error(await answer.text());
const invoice: { payment_url: string } = await answer.json();
console.log(invoice.payment_url);""",
}
