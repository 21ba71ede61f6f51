"""The merchant's audit log: who did what, to what, from where."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from litestar import Response, get

from app.audit.log import Filters
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.lists import chips, list_query
from app.cabinet.saved_filters import saved_links
from app.core.keyset import page_or_first
from app.identity.identity import PageRequest
from app.identity.paging import by_moment_and_number
from app.merchants.roles import Permission
from app.reports import activity_log
from app.reports.activity_log import Action
from app.web.standby_reads import FROM_STANDBY

AREAS: Mapping[str, str] = MappingProxyType(
    {
        "api_key": "API keys",
        "webhook": "Webhooks",
        "team": "Team",
        "merchant": "Merchant and settings",
        "invoice": "Invoices",
        "payment_link": "Payment links",
        "payout": "Payouts",
        "refund": "Refunds",
        "review": "Reviews",
        "return_address": "Return addresses",
        "withdrawal": "Approvals",
    }
)

OF_MONEY = ("invoice", "payment_link", "payout", "refund", "review", "return_address", "withdrawal")
"""The areas that members see who may not see the whole log."""

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "api_key.created": "Created an API key",
        "api_key.issued": "Created an API key",
        "api_key.updated": "Changed an API key",
        "api_key.rotated": "Rotated an API key",
        "api_key.revoked": "Revoked an API key",
        "webhook.created": "Created a webhook",
        "webhook.updated": "Changed a webhook",
        "webhook.enabled": "Enabled a webhook",
        "webhook.paused": "Paused a webhook",
        "webhook.disabled": "Disabled a webhook",
        "webhook.deleted": "Deleted a webhook",
        "webhook.secret_rotated": "Rotated a webhook’s secret",
        "webhook.secret_revealed": "Looked at a webhook’s secret",
        "webhook.tested": "Sent a test event",
        "webhook.redelivered": "Sent events again",
        "webhook.checked": "Checked a webhook’s endpoint",
        "team.invited": "Invited somebody",
        "team.invited_again": "Sent an invitation again",
        "team.invitation_withdrawn": "Withdrew an invitation",
        "team.joined": "Joined the team",
        "team.role_changed": "Changed a role",
        "team.removed": "Removed a member",
        "team.left": "Left the team",
        "team.totp_reminded": "Reminded of two-step verification",
        "merchant.applied": "Applied",
        "merchant.tried": "Started in test mode",
        "merchant.created": "Opened the merchant",
        "merchant.fee_payer_changed": "Changed who pays the fee",
        "merchant.accept_parts_changed": "Changed whether payments in parts are accepted",
        "merchant.currencies_changed": "Changed the currencies of prices",
        "merchant.spread_bps_changed": "Changed the spread of prices",
        "merchant.quote_minutes_changed": "Changed how long a quote is good for",
        "merchant.late_quote_bps_changed": "Changed which late payments count",
        "merchant.reporting_currency_changed": "Changed the currency of the books",
        "merchant.offer_changed": "Changed what a price may be paid with",
        "merchant.frame_origins_changed": "Changed who may embed the payment page",
        "merchant.return_addresses_changed": "Changed who confirms return addresses",
        "merchant.branding_changed": "Changed the payment page",
        "invoice.created": "Created an invoice",
        "invoice.cancelled": "Cancelled an invoice",
        "payment_link.created": "Created a payment link",
        "payment_link.changed": "Changed a payment link",
        "payout.requested": "Requested a payout",
        "payout.cancelled": "Cancelled a payout",
        "refund.requested": "Requested a refund",
        "return_address.given": "Named an address for a return",
        "return_address.confirmed": "Confirmed a return address",
        "return_address.rejected": "Rejected a return address",
        "withdrawal.approved": "Approved a payout or refund",
        "withdrawal.rejected": "Rejected a payout or refund",
    }
)
"""The label of each action. An action that is not listed is shown by its own name."""

FILTERS = ("who", "area", "about", "from", "to")


def handlers(cabinet: Cabinet) -> list[Any]:
    """`audit`."""

    @get("/audit", opt=needs(Permission.AUDIT_OF_MONEY_VIEW) | FROM_STANDBY)
    async def audit(request: PageRequest) -> Response[Any]:
        ctx, query = context_of(request), list_query(request, *FILTERS, key=by_moment_and_number)
        sees_all = ctx.may(Permission.AUDIT_VIEW)
        shown = dict(AREAS) if sees_all else {area: AREAS[area] for area in OF_MONEY}
        area = query.one_of("area", shown)
        filters = Filters(
            actor=query.get("who"),
            action=None if area is None else f"{area}.",
            areas=None if sees_all else [f"{area}." for area in OF_MONEY],
            subject=query.get("about"),
            at_from=query.first_day(),
            at_to=query.last_day(),
        )
        found = await page_or_first(
            lambda place: activity_log.page(ctx.merchant_id, filters, place, query.rows), query.place
        )
        people, areas = await activity_log.people(ctx.merchant_id), list(shown.items())
        context = {
            "query": query,
            "saved": await saved_links(ctx, "audit", query),
            "rows": [(action, label(action), details(action)) for action in found],
            "pager": query.pager(found),
            "total": (await activity_log.total(ctx.merchant_id, filters)).beside(found),
            "chips": chips(query, who=people, area=areas),
            "people": people,
            "areas": areas,
            "sees_all": sees_all,
        }
        return await cabinet.page(request, "cabinet/audit.html", context)

    return [audit]


def label(action: Action) -> str:
    """The label of an action."""
    return ACTIONS.get(action.action, action.action.replace(".", ": ").replace("_", " ").capitalize())


def details(action: Action) -> list[tuple[str, str]]:
    """The details that have a value, by name."""
    return [(name.replace("_", " "), _text(value)) for name, value in action.details.items() if value not in (None, [])]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "yes" if value is True else "no" if value is False else str(value)
