"""The first page: everything that waits for an operator's decision, the most serious and oldest first."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import alerts, holds, queue, reviews
from app.backoffice.queue import SHOWN_OF_EACH
from app.identity.identity import PageRequest
from app.merchants import applications
from app.operator.desk import Desk, operator_of


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handler of `/desk`."""

    @get("/")
    async def waiting(request: PageRequest) -> Response[bytes]:
        by = operator_of(request).account_id
        approvals = await queue.waiting_withdrawals(by, None, SHOWN_OF_EACH)
        in_review = await reviews.page("open", None, SHOWN_OF_EACH, by)
        critical = await alerts.page("open", "critical", None, SHOWN_OF_EACH)
        warnings = await alerts.page("open", "warning", None, SHOWN_OF_EACH)
        context = {
            "counts": await queue.counts(),
            "approvals": approvals,
            "in_review": in_review,
            "critical": critical,
            "warnings": warnings,
            "applications": await applications.waiting(SHOWN_OF_EACH),
            "holds": await holds.ledgers(SHOWN_OF_EACH),
            "refused": await holds.refused(SHOWN_OF_EACH),
        }
        return await desk.page(request, "queue", context, actors=[one.requested_by for one in approvals])

    return [waiting]
