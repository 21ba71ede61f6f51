"""Reconciliation: the records of runs with every finding, and a run on demand whose progress the page shows."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.core import clock
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.paging import by_number
from app.operator import lists
from app.operator.desk import Desk, nothing_here
from app.reconciliation import repository, requests
from app.web.row_ids import RowId


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/reconciliation`."""

    @get("/reconciliation")
    async def listed(request: PageRequest) -> Response[bytes]:
        return await show(request, Form.empty())

    @form_post("/reconciliation", does="Request a reconciliation run", step_up=StepUp.FRESH_CODE)
    async def request_run(request: PageRequest) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        try:
            by = await desk.verified_operator(request, form)
        except FormRefused:
            return await show(request, form, status=422)
        run_id = await requests.request(by, full=form.has("full"), now=clock.now())
        return desk.done(request, "The run is requested.", f"/desk/reconciliation/{run_id}")

    @get("/reconciliation/{run_id:int}")
    async def one(request: PageRequest, run_id: RowId) -> Response[bytes]:
        run = await repository.run(run_id)
        if run is None:
            raise nothing_here()
        context = {"run": run, "findings": await repository.findings(run_id), "now": clock.now()}
        return await desk.page(request, "reconciliation/one", context, actors=[run.requested_by])

    async def show(request: PageRequest, form: Form, *, status: int = 200) -> Response[bytes]:
        query = lists.list_query(request, by_number)
        shown, around = await lists.read(query, repository.runs, repository.total_runs)
        context = {**around, "runs": shown, "form": form}
        return await desk.page(
            request, "reconciliation/list", context, actors=[run.requested_by for run in shown], status=status
        )

    return [listed, request_run, one]
