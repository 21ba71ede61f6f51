"""Reviews: payments that did not simply pay, and what became of them."""

from typing import Any

from litestar import Response, get

from app.cabinet import words
from app.cabinet.cabinet import Cabinet
from app.cabinet.guard import needs
from app.cabinet.lists import asking
from app.cabinet.seat import seat_of
from app.core.keyset import page_or_first
from app.insight import cases
from app.merchants.roles import Permission
from app.portal.paging import PAGE_LENGTH, by_moment_and_number
from app.portal.portal import Asked


def handlers(cabinet: Cabinet) -> list[Any]:
    """`reviews`."""
    networks = cabinet.gateway.networks

    @get("/reviews", opt=needs(Permission.VIEW))
    async def reviews(request: Asked) -> Response[Any]:
        seat, wanted = seat_of(request), asking(request, "status", key=by_moment_and_number)
        status = wanted.one_of("status", words.CASE_STATES)
        found = await page_or_first(
            lambda place: cases.page(seat.merchant_id, seat.mode, status=status, place=place, limit=PAGE_LENGTH),
            wanted.place,
        )
        rows = [
            {
                "case": case,
                "came": words.decimal(networks, case.network, case.asset, case.came_raw),
                "asked": words.decimal(networks, case.network, case.asked_asset, case.asked_raw),
            }
            for case in found
        ]
        context = {
            "asking": wanted,
            "rows": rows,
            "pager": wanted.pager(found),
            "tabs": [("All", seat.path("reviews"), wanted.get("status") is None)]
            + [
                (label, wanted.url({"status": status}), wanted.get("status") == status)
                for status, label in words.CASE_STATES.items()
            ],
            "verdicts": words.VERDICTS,
            "outcomes": words.OUTCOMES,
            "case_states": words.CASE_STATES,
        }
        return await cabinet.page(request, "cabinet/reviews.html", context)

    return [reviews]
