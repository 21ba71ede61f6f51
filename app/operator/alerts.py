"""Alerts: open ones, and acknowledged ones with a note on what was done."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import alerts, service
from app.core import clock
from app.core.keyset import page_or_first
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.paging import PAGE_LENGTH, by_number
from app.operator import lists
from app.operator.desk import Desk, nothing_here, refusals
from app.web.row_ids import RowId

STATES = ("open", "acknowledged")
SEVERITIES = ("critical", "warning", "info")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/alerts`."""

    @get("/alerts")
    async def listed(request: PageRequest) -> Response[bytes]:
        state = lists.choice(request, "state", STATES, "open")
        severity = lists.choice(request, "severity", SEVERITIES)
        which: alerts.Which = "acknowledged" if state == "acknowledged" else "open"
        query = lists.list_query(request, by_number, state=state, severity=severity)
        found = await page_or_first(lambda place: alerts.page(which, severity or None, place, PAGE_LENGTH), query.place)
        context = {
            "alerts": found,
            "state": state,
            "states": STATES,
            "severity": severity,
            "severities": SEVERITIES,
            "pager": query.pager(found),
        }
        return await desk.page(request, "alerts/list", context, actors=[one.acknowledged_by for one in found])

    @get("/alerts/{alert_id:int}")
    async def one(request: PageRequest, alert_id: RowId) -> Response[bytes]:
        return await show(request, alert_id, Form.empty())

    @form_post(
        "/alerts/{alert_id:int}/acknowledge",
        does="Acknowledge an alert",
        step_up=StepUp.FRESH_CODE,
        page="/alerts/{alert_id:int}",
    )
    async def acknowledge(request: PageRequest, alert_id: RowId) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        if await alerts.one(alert_id) is None:
            raise nothing_here()
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await service.acknowledge_alert(alert_id, form.text("note"), by, clock.now())
        except FormRefused:
            return await show(request, alert_id, form, status=422)
        return desk.done(request, "Acknowledged. If it is not fixed, the next check raises it again.")

    async def show(request: PageRequest, alert_id: int, form: Form, *, status: int = 200) -> Response[bytes]:
        alert = await alerts.one(alert_id)
        if alert is None:
            raise nothing_here()
        earlier = await alerts.earlier(alert)
        actors = [one.acknowledged_by for one in (alert, *earlier)]
        return await desk.page(
            request, "alerts/one", {"alert": alert, "earlier": earlier, "form": form}, actors=actors, status=status
        )

    return [listed, one, acknowledge]
