"""`/cabinet`: the list of a person's merchants, and the application for a new one."""

from dataclasses import asdict
from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.forms import required
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


MISSING = {
    "name": "Enter the name of the business.",
    "legal_name": "Enter the legal name of the business.",
    "website": "Enter the address of the website, such as https://example.com.",
    "business": "Say what you sell, and to whom, in 20 to 1000 characters.",
}
"""What is said about fields that were left empty."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`/cabinet` and `/cabinet/apply`."""
    identity = cabinet.identity

    @get("/")
    async def choice(request: PageRequest) -> Response[Any]:
        merchants = await merchants_of(visitor_of(request).account_id)
        return identity.page(request, "cabinet/merchant_picker.html", {"nav": outside(), "merchants": merchants})

    @get("/apply")
    async def apply_page(request: PageRequest) -> Response[Any]:
        return identity.page(request, "cabinet/apply.html", _context(Form.empty()))

    @form_post(
        "/apply",
        does="Apply as a merchant",
        step_up=NoStepUp("an operator decides before it opens anything"),
        check=check_application,
    )
    async def apply(request: PageRequest) -> Response[Any]:
        form, visitor = await identity.read_form(request), visitor_of(request)
        try:
            await check_application(request, form)
            form.refuse_if_wrong()
            with form.catching():
                merchant_id = await applications.apply(
                    facts_of(form), account_id=visitor.account_id, address=visitor.address, now=clock.now()
                )
        except FormRefused:
            return identity.refused(request, form, "cabinet/apply.html", _context(form))
        return identity.redirect(request, f"/cabinet/{merchant_id}/live", flash="Your application was sent.")

    return [choice, apply_page, apply]


async def check_application(request: PageRequest, form: Form) -> None:
    """Record what is wrong with an application's form."""
    for name, words in MISSING.items():
        required(form, name, words)
    with form.gathering():
        applications.checked(facts_of(form))


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
