"""Switches: pause and resume new invoices, payouts or refunds of all merchants, with a reason."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.audit import log
from app.audit.log import Filters
from app.core import clock
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import switches
from app.operator.desk import Desk, nothing_here, reason_of, refusals

CHANGES_SHOWN = 15


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/switches`."""

    @get("/switches")
    async def listed(request: PageRequest) -> Response[bytes]:
        changes = await log.page(Filters(action="switch."), None, CHANGES_SHOWN)
        context = {"switches": await switches.states(), "changes": changes}
        return await desk.page(request, "switches/list", context, actors=[one.actor for one in changes])

    @get("/switches/{name:str}")
    async def one(request: PageRequest, name: str) -> Response[bytes]:
        return await show(request, name, Form.empty())

    @form_post("/switches/{name:str}", does="Pause or resume a switch", step_up=StepUp.FRESH_CODE)
    async def change(request: PageRequest, name: str) -> Response[bytes]:
        if name not in switches.NAMES:
            raise nothing_here()
        form = await desk.identity.read_form(request)
        pauses = form.text("turn") == "pause"
        try:
            reason = reason_of(form)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await (switches.pause if pauses else switches.resume)(name, reason, by, clock.now())
        except FormRefused:
            return await show(request, name, form, status=422)
        done = "paused for all merchants" if pauses else "accepted again"
        return desk.done(request, f"New {name} are {done}.", "/desk/switches")

    async def show(request: PageRequest, name: str, form: Form, *, status: int = 200) -> Response[bytes]:
        state = next((state for state in await switches.states() if state.name == name), None)
        if state is None:
            raise nothing_here()
        return await desk.page(request, "switches/one", {"switch": state, "form": form}, status=status)

    return [listed, one, change]
