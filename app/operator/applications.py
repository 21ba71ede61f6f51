"""Applications of businesses, and the decision to approve or reject them."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.core import clock
from app.core.keyset import Total
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import OWN
from app.merchants import applications
from app.merchants.applications import COUNTRIES, MONTHLY_VOLUMES
from app.merchants.applications_repository import Application
from app.operator.desk import Desk, nothing_here, reason_of, refusals
from app.web.row_ids import RowId

MOST_SHOWN = 100


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/applications`."""

    public_url = desk.services.settings.public_url

    @get("/applications")
    async def listed(request: PageRequest) -> Response[bytes]:
        waiting = await applications.waiting(MOST_SHOWN)
        total = Total(len(waiting), is_exact=len(waiting) < MOST_SHOWN)
        return await desk.page(request, "applications/list", {"applications": waiting, "total": total})

    @get("/applications/{application_id:int}")
    async def one(request: PageRequest, application_id: RowId) -> Response[bytes]:
        return await show(request, "one", application_id, Form.empty())

    @form_post(
        "/applications/{application_id:int}/approve",
        does="Approve an application",
        step_up=StepUp.FRESH_CODE,
        page="/applications/{application_id:int}",
        shown_as=OWN,
    )
    async def approve(request: PageRequest, application_id: RowId) -> Response[bytes]:
        form, found = await desk.identity.read_form(request), await find(application_id)
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await applications.approve(
                    application_id, desk.services.networks, by, clock.now(), public_url=public_url
                )
        except FormRefused:
            return await show(request, "one", application_id, form, status=422)
        return desk.done(request, f"{found.merchant_name} is approved. Its owners get an email.")

    @get("/applications/{application_id:int}/reject")
    async def reject_page(request: PageRequest, application_id: RowId) -> Response[bytes]:
        return await show(request, "reject", application_id, Form.empty())

    @form_post("/applications/{application_id:int}/reject", does="Reject an application", step_up=StepUp.FRESH_CODE)
    async def reject(request: PageRequest, application_id: RowId) -> Response[bytes]:
        form, found = await desk.identity.read_form(request), await find(application_id)
        try:
            reason = reason_of(form)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await applications.reject(application_id, reason, by, clock.now(), public_url=public_url)
        except FormRefused:
            return await show(request, "reject", application_id, form, status=422)
        return desk.done(request, f"{found.merchant_name} is rejected. Its owners read the reason.")

    async def find(application_id: int) -> Application:
        found = await applications.get(application_id)
        if found is None:
            raise nothing_here()
        return found

    async def show(
        request: PageRequest, template: str, application_id: int, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        found = await find(application_id)
        others = await applications.of_merchant(found.merchant_id)
        context = {
            "application": found,
            "earlier": [other for other in others if other.id != found.id],
            "countries": COUNTRIES,
            "volumes": MONTHLY_VOLUMES,
            "form": form,
        }
        return await desk.page(request, f"applications/{template}", context, status=status)

    return [listed, one, approve, reject_page, reject]
