"""Reviews: payments that did not simply pay, and what became of them."""

from typing import Any

from litestar import Response, get

from app.cabinet import labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.lists import asking
from app.core.keyset import page_or_first
from app.identity.identity import PageRequest
from app.identity.paging import PAGE_LENGTH, by_moment_and_number
from app.merchants.roles import Permission
from app.reports import reviews as review_list


def handlers(cabinet: Cabinet) -> list[Any]:
    """`reviews`."""
    networks = cabinet.services.networks

    @get("/reviews", opt=needs(Permission.VIEW))
    async def reviews(request: PageRequest) -> Response[Any]:
        ctx, wanted = context_of(request), asking(request, "status", key=by_moment_and_number)
        status = wanted.one_of("status", labels.CASE_STATES)
        found = await page_or_first(
            lambda place: review_list.page(ctx.merchant_id, ctx.mode, status=status, place=place, limit=PAGE_LENGTH),
            wanted.place,
        )
        rows = [
            {
                "case": case,
                "came": labels.decimal(networks, case.network, case.asset, case.came_raw),
                "asked": labels.decimal(networks, case.network, case.asked_asset, case.asked_raw),
            }
            for case in found
        ]
        context = {
            "asking": wanted,
            "rows": rows,
            "pager": wanted.pager(found),
            "tabs": [("All", ctx.path("reviews"), wanted.get("status") is None)]
            + [
                (label, wanted.url({"status": status}), wanted.get("status") == status)
                for status, label in labels.CASE_STATES.items()
            ],
            "verdicts": labels.VERDICTS,
            "outcomes": labels.OUTCOMES,
            "case_states": labels.CASE_STATES,
        }
        return await cabinet.page(request, "cabinet/reviews.html", context)

    return [reviews]
