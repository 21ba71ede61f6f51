"""`/cabinet`: the list of a person's merchants, the application for a new one, and a start in test mode without one."""

from dataclasses import asdict
from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.nav import outside
from app.core import clock
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest, visitor_of
from app.merchants import applications
from app.merchants.applications import COUNTRIES, MONTHLY_VOLUMES
from app.merchants.applications_repository import Application, Facts
from app.merchants.members import merchants_of

FIELDS = ("name", "legal_name", "country", "website", "business", "monthly_volume")


def handlers(cabinet: Cabinet) -> list[Any]:
    """`/cabinet`, `/cabinet/apply` and `/cabinet/try`."""
    identity, networks = cabinet.identity, cabinet.services.networks

    @get("/")
    async def choice(request: PageRequest) -> Response[Any]:
        merchants = await merchants_of(visitor_of(request).account_id)
        return identity.page(request, "cabinet/merchant_picker.html", {"nav": outside(), "merchants": merchants})

    @get("/apply")
    async def apply_page(request: PageRequest) -> Response[Any]:
        return identity.page(request, "cabinet/apply.html", _context(Form.empty()))

    @form_post("/apply", does="Apply as a merchant", step_up=NoStepUp("an operator decides before it opens anything"))
    async def apply(request: PageRequest) -> Response[Any]:
        form, visitor = await identity.read_form(request), visitor_of(request)
        try:
            with form.catching():
                merchant_id = await applications.apply(
                    facts_of(form), networks, account_id=visitor.account_id, address=visitor.address, now=clock.now()
                )
        except FormRefused:
            return identity.refused(request, form, "cabinet/apply.html", _context(form))
        words = "Your application was sent. Until it is decided, everything can be tried in test mode."
        return identity.redirect(request, f"/cabinet/{merchant_id}/test", flash=words)

    @get("/try")
    async def try_page(request: PageRequest) -> Response[Any]:
        return identity.page(request, "cabinet/try.html", {"nav": outside(), "form": Form.empty()})

    @form_post("/try", does="Start in test mode", step_up=NoStepUp("test mode moves no real money"))
    async def try_out(request: PageRequest) -> Response[Any]:
        form, visitor = await identity.read_form(request), visitor_of(request)
        try:
            with form.catching():
                merchant_id = await applications.try_out(
                    form.text("name"),
                    networks,
                    account_id=visitor.account_id,
                    address=visitor.address,
                    now=clock.now(),
                )
        except FormRefused:
            return identity.refused(request, form, "cabinet/try.html", {"nav": outside(), "form": form})
        return identity.redirect(request, f"/cabinet/{merchant_id}/test")

    return [choice, apply_page, apply, try_page, try_out]


def facts_of(form: Form) -> Facts:
    """The facts in an application's form."""
    return Facts(**{name: form.text(name) for name in FIELDS})


def form_of(name: str, application: Application) -> Form:
    """The form with the facts of an earlier application."""
    facts = asdict(application)
    return Form.empty(name=name, **{field: str(facts[field]) for field in FIELDS if field != "name"})


def choices() -> dict[str, Any]:
    """The options of an application's selects."""
    return {
        "countries": [("", "Choose a country"), *COUNTRIES.items()],
        "volumes": list(MONTHLY_VOLUMES.items()),
    }


def _context(form: Form) -> dict[str, Any]:
    return {"nav": outside(), "form": form, **choices()}
