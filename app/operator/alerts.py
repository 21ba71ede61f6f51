"""Alerts: open ones by what is wrong, with what to do about it, and acknowledged ones with a note on what was done."""

from collections.abc import Sequence

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.alerts.service import stated_note
from app.backoffice import alerts, service
from app.backoffice.alerts import ListedAlert
from app.core import clock
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import NOTE, OWN
from app.identity.paging import address, by_number
from app.operator import guidance, lists, notes
from app.operator.desk import Desk, gathering, nothing_here, refusals
from app.operator.guidance import Guidance
from app.web.row_ids import RowId

STATES = ("open", "acknowledged")
SEVERITIES = (("critical", "Critical"), ("warning", "Warning"), ("info", "Info"))
"""Value and words of each, the most serious first."""

_ORDER = tuple(value for value, _ in SEVERITIES)
PATH = "/desk/alerts"


class Group(msgspec.Struct, frozen=True):
    """The alerts of one kind, the newest first, and what to do about them."""

    kind: str
    severity: str
    guidance: Guidance
    alerts: Sequence[ListedAlert]


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/alerts`."""

    @get("/alerts")
    async def listed(request: PageRequest) -> Response[bytes]:
        state = lists.choice(request, "state", STATES, "open")
        severity = severity_of(request)
        which: alerts.Which = "acknowledged" if state == "acknowledged" else "open"
        found, around = await lists.read(
            lists.list_query(request, by_number, {"state": "" if state == "open" else state}, severity=severity),
            lambda place, limit: alerts.page(which, severity or None, place, limit),
            lambda: alerts.total(which, severity or None),
            severity=SEVERITIES,
        )
        context = {
            **around,
            "alerts": found,
            "groups": _groups(found),
            "state": state,
            "severity": severity,
            "severities": SEVERITIES,
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
        shown_as=OWN,
    )
    async def acknowledge(request: PageRequest, alert_id: RowId) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        if await alerts.one(alert_id) is None:
            raise nothing_here()
        with gathering(form):
            stated_note(form.text("note"))
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await service.acknowledge_alert(alert_id, form.text("note"), by, clock.now())
        except FormRefused:
            return await show(request, alert_id, form, status=422)
        following = await alerts.next_open(alert_id, severity_of(request) or None)
        onward = listed_at(request) if following is None else at(request, following)
        words = "Acknowledged. If it is not fixed, the next check raises it again."
        return desk.done(request, words, onward, (f"See alert {alert_id}", f"{PATH}/{alert_id}"))

    @form_post(
        "/alerts/{alert_id:int}/notes",
        does="Leave a note on an alert",
        step_up=StepUp.FRESH_CODE,
        page="/alerts/{alert_id:int}",
        shown_as=NOTE,
    )
    async def leave_note(request: PageRequest, alert_id: RowId) -> Response[bytes]:
        if await alerts.one(alert_id) is None:
            raise nothing_here()
        refused = await notes.leave(desk, request, "alert", str(alert_id))
        if refused is not None:
            return await show(request, alert_id, Form.empty(), note_form=refused, status=422)
        return desk.done(request, notes.NOTE_LEFT, at(request, alert_id))

    async def show(
        request: PageRequest, alert_id: int, form: Form, *, note_form: Form | None = None, status: int = 200
    ) -> Response[bytes]:
        alert = await alerts.one(alert_id)
        if alert is None:
            raise nothing_here()
        earlier = await alerts.earlier(alert)
        following = await alerts.next_open(alert_id, severity_of(request) or None)
        context = {
            "alert": alert,
            "guidance": guidance.of_kind(alert.kind),
            "earlier": earlier,
            "form": form,
            "list_url": listed_at(request),
            "next_url": None if following is None else at(request, following),
            "acknowledge_url": at(request, alert_id, "/acknowledge"),
            **await notes.shown("alert", str(alert_id), at(request, alert_id, "/notes"), note_form),
        }
        actors = [one.acknowledged_by for one in (alert, *earlier)]
        return await desk.page(request, "alerts/one", context, actors=actors, status=status)

    return [listed, one, acknowledge, leave_note]


def severity_of(request: PageRequest) -> str:
    """The severity to which the list is filtered, empty for any. Raises NOT_FOUND for another value."""
    return lists.choice(request, "severity", _ORDER)


def listed_at(request: PageRequest) -> str:
    """The list of open alerts with its filter."""
    return address(PATH, {"severity": severity_of(request)})


def at(request: PageRequest, alert_id: int, verb: str = "") -> str:
    """An alert, or a form of it, with the list's filter."""
    return address(f"{PATH}/{alert_id}{verb}", {"severity": severity_of(request)})


def _groups(found: Sequence[ListedAlert]) -> list[Group]:
    """By kind, the most serious first; within one severity in the order of the list."""
    kinds: dict[tuple[str, str], list[ListedAlert]] = {}
    for alert in found:
        kinds.setdefault((alert.severity, alert.kind), []).append(alert)
    ordered = sorted(kinds.items(), key=lambda item: _ORDER.index(item[0][0]) if item[0][0] in _ORDER else 0)
    return [Group(kind, severity, guidance.of_kind(kind), rows) for (severity, kind), rows in ordered]
