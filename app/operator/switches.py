"""Switches: new invoices, payouts or refunds of all merchants, paused and resumed with a reason."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.audit import log
from app.audit.log import Filters
from app.core import clock
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import switches
from app.operator.desk import Desk, nothing_here, refusals

TURNS_SHOWN = 15


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/switches`."""

    @get("/switches")
    async def listed(request: PageRequest) -> Response[bytes]:
        turns = await log.page(Filters(action="switch."), None, TURNS_SHOWN)
        context = {"switches": await switches.states(), "turns": turns}
        return await desk.page(request, "switches/list", context, actors=[one.actor for one in turns])

    @get("/switches/{name:str}")
    async def one(request: PageRequest, name: str) -> Response[bytes]:
        return await show(request, name, Form.empty())

    @form_post("/switches/{name:str}", does="Pause or resume a switch", step_up=StepUp.FRESH_CODE)
    async def turn(request: PageRequest, name: str) -> Response[bytes]:
        if name not in switches.NAMES:
            raise nothing_here()
        form = await desk.identity.read_form(request)
        pauses = form.text("turn") == "pause"
        try:
            by = await desk.proven(request, form)
            with refusals(form):
                await (switches.pause if pauses else switches.resume)(name, form.text("reason"), by, clock.now())
        except FormRefused:
            return await show(request, name, form, status=422)
        done = "paused for all merchants" if pauses else "taken again"
        return desk.done(request, f"New {name} are {done}.", "/desk/switches")

    async def show(request: PageRequest, name: str, form: Form, *, status: int = 200) -> Response[bytes]:
        state = next((state for state in await switches.states() if state.name == name), None)
        if state is None:
            raise nothing_here()
        return await desk.page(request, "switches/one", {"switch": state, "form": form}, status=status)

    return [listed, one, turn]
