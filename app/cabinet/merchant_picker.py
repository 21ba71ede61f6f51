"""`/cabinet` leads on to a merchant; the list of a person's merchants with invitations that wait, the application for a
new one, and a start in test mode without one."""

from typing import Any, get_args

import msgspec
from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.forms import required
from app.cabinet.nav import outside
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity import cookies
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest, visitor_of
from app.merchants import applications, invitations
from app.merchants.applications import COUNTRIES, MONTHLY_VOLUMES
from app.merchants.applications_repository import Application, Facts
from app.merchants.members import merchants_of
from app.merchants.roles import DESCRIPTIONS
from app.merchants.terms import Mode
from app.web.row_ids import RowId

CHOICE = "/cabinet/merchants"

FIELDS = ("name", "legal_name", "country", "website", "business", "monthly_volume")


MISSING = {
    "name": "Enter the name of the business.",
    "legal_name": "Enter the legal name of the business.",
    "website": "Enter the address of the website, such as https://example.com.",
    "business": "Say what you sell, and to whom, in 20 to 1000 characters.",
}
"""What is said about fields that were left empty."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`/cabinet`, `/cabinet/till`, `/cabinet/merchants`, `/cabinet/invitations/{id}/accept`, `/cabinet/apply` and
    `/cabinet/try`."""
    identity, networks = cabinet.identity, cabinet.services.networks

    async def place_of(request: PageRequest) -> str | None:
        """The merchant and mode where they worked last in this browser, or of their only merchant; None for several."""
        merchants = await merchants_of(visitor_of(request).account_id)
        last, _, mode = request.cookies.get(cookies.PLACE, "").partition("/")
        known = [one.merchant_id for one in merchants]
        merchant_id = last if last in known else known[0] if len(known) == 1 else None
        if merchant_id is None:
            return None
        return f"{merchant_id}/{mode if merchant_id == last and mode in get_args(Mode) else 'live'}"

    @get("/")
    async def begin(request: PageRequest) -> Response[Any]:
        """Lead to where they worked last in this browser, or to their only merchant, else to the choice."""
        place = await place_of(request)
        return identity.redirect(request, CHOICE if place is None else f"/cabinet/{place}")

    @get("/till")
    async def till(request: PageRequest) -> Response[Any]:
        """Lead to the till of where they worked last: an address for the device at the counter."""
        place = await place_of(request)
        return identity.redirect(request, CHOICE if place is None else f"/cabinet/{place}/till")

    @get("/merchants")
    async def choice(request: PageRequest) -> Response[Any]:
        visitor = visitor_of(request)
        context = {
            "nav": outside(),
            "merchants": await merchants_of(visitor.account_id),
            "invitations": await invitations.open_for(visitor.session.email, clock.now()),
            "role_words": DESCRIPTIONS,
        }
        return identity.page(request, "cabinet/merchant_picker.html", context)

    @form_post(
        "/invitations/{invitation_id:int}/accept",
        does="Join a team that has invited you",
        step_up=NoStepUp("it works once, and takes no right from anybody"),
        page="/merchants",
    )
    async def accept(request: PageRequest, invitation_id: RowId) -> Response[Any]:
        visitor = visitor_of(request)
        try:
            merchant_id = await invitations.accept_own(
                invitation_id,
                visitor.session.email,
                account_id=visitor.account_id,
                address=visitor.address,
                now=clock.now(),
            )
        except ApiError as error:
            if error.code is Code.NOT_FOUND:
                raise
            return identity.nothing_done(request, CHOICE, error.message[:1].upper() + error.message[1:] + ".")
        return identity.redirect(request, f"/cabinet/{merchant_id}/live", flash="Welcome to the team.")

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

    return [begin, till, choice, accept, apply_page, apply, try_page, try_out]


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
    facts = msgspec.structs.asdict(application)
    return Form.empty(name=name, **{field: str(facts[field]) for field in FIELDS if field != "name"})


def choices() -> dict[str, Any]:
    """The options of an application's selects."""
    return {
        "countries": [("", "Choose a country"), *COUNTRIES.items()],
        "volumes": list(MONTHLY_VOLUMES.items()),
    }


def _context(form: Form) -> dict[str, Any]:
    return {"nav": outside(), "form": form, **choices()}
