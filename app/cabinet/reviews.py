"""Reviews: deposits that did not match their invoice, and the outcome of each."""

from typing import Any

from litestar import Response, get

from app.cabinet import labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.lists import list_query
from app.core.keyset import page_or_first
from app.identity.identity import PageRequest
from app.identity.paging import by_moment_and_number
from app.merchants.roles import Permission
from app.reports import reviews as review_list


def handlers(cabinet: Cabinet) -> list[Any]:
    """`reviews`."""
    networks = cabinet.services.networks

    @get("/reviews", opt=needs(Permission.VIEW))
    async def reviews(request: PageRequest) -> Response[Any]:
        ctx, query = context_of(request), list_query(request, "status", key=by_moment_and_number)
        status = query.one_of("status", labels.REVIEW_STATES)
        found = await page_or_first(
            lambda place: review_list.page(ctx.merchant_id, ctx.mode, status=status, place=place, limit=query.rows),
            query.place,
        )
        rows = [
            {
                "review": review,
                "received": labels.decimal(networks, review.network, review.asset, review.received_raw),
                "expected": labels.decimal(
                    networks, review.expected_network, review.expected_asset, review.expected_raw
                ),
            }
            for review in found
        ]
        context = {
            "query": query,
            "rows": rows,
            "pager": query.pager(found),
            "total": (await review_list.total(ctx.merchant_id, ctx.mode, status)).beside(found),
            "tabs": [("All", ctx.path("reviews"), query.get("status") is None)]
            + [
                (label, query.url({"status": status}), query.get("status") == status)
                for status, label in labels.REVIEW_STATES.items()
            ],
            "verdicts": labels.VERDICTS,
            "outcomes": labels.OUTCOMES,
            "review_states": labels.REVIEW_STATES,
        }
        return await cabinet.page(request, "cabinet/reviews.html", context)

    return [reviews]
