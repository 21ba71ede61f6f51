"""Every form of the app requires the code that its route declares, and is carried out once."""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import httpx
import msgspec

from app.asgi import create_app
from app.core import clock, database
from app.core.settings import Settings
from app.identity.form_routes import SENT_BEFORE, FormDeclaration, NoStepUp, StepUp
from app.invoices.creation import NewInvoice
from app.invoices.presentation import InvoiceBody
from app.merchants import applications
from app.merchants import service as merchants
from app.merchants.applications_repository import Facts
from app.merchants.terms import Terms
from app.sandbox.chain_driver import AnvilDriver
from app.web.edge import Edge
from app.wiring import Services
from tests.cabinet.world import World
from tests.factories.rates import store_rate
from tests.forms import filled
from tests.forms.filled import BUSINESS, PAYOUT, Filled
from tests.forms.walking import Walker, audited, forms_of, text_of
from tests.forms.wrong import OF_ACCOUNT, OF_CABINET, SIGNED_OUT, Wrong, assert_names
from tests.identity.browsing import Browser, an_account
from tests.invariants import assert_invariants
from tests.operator.scene import Scene, set_scene

Browsers = Callable[..., Browser]
WANTED = "Enter the code that your authenticator app shows"


async def all_wrong(walker: Walker, app: Edge, forms: Wrong) -> None:
    """Each of these forms with everything wrong: nothing is done, and its page names every field."""
    declarations, before = forms_of(app), await audited()
    for pattern, (fields, named) in forms.items():
        await walker.code_given(timedelta(minutes=11))
        filled_in = Filled(fields, query=PAYOUT if pattern.endswith("/payouts/review") else {})
        target, sent = await walker.open(pattern, declarations[pattern], filled_in)
        page = await walker.browser.post(target, sent)
        assert_names(page, named, pattern)
        again = await walker.browser.get(str(page.request.url))  # it can be loaded again, and sends nothing
        assert (page.request.method, without_times(again)) == ("GET", without_times(page)), pattern
    assert await audited() == before


def without_times(page: httpx.Response) -> str:
    """A page's text without the moment at which it was read."""
    return re.sub(r"[0-9]{13}", "#", page.text)


async def test_forms_of_visitors_name_everything_that_is_wrong(browser: Browsers) -> None:
    for path, (fields, named) in SIGNED_OUT.items():
        assert_names(await browser().send(path, **fields), named, path)


async def is_carried_out_once(walker: Walker, pattern: str, declaration: FormDeclaration, one: Filled) -> None:
    """Refused without a fresh code where it must be; sent twice at once, and later again, it is done once."""
    before = await audited()
    await walker.code_given(timedelta(minutes=11))
    target, fields = await walker.open(pattern, declaration, one)
    if not isinstance(declaration.step_up, NoStepUp):
        wrong = {"code": ""} if declaration.step_up is StepUp.CODE_EACH_TIME else {}
        refused = await walker.browser.post(target, fields | wrong)
        assert refused.status_code == 422, (pattern, refused.status_code, refused.headers.get("location"))
        assert 'id="error-code"' in refused.text, pattern
        assert "<title>Error: " in refused.text, pattern
        assert wrong or WANTED in text_of(refused), pattern
        assert await audited() == before, pattern
    await walker.code_given()
    # The form that was refused keeps its key: it is the same one that is sent now, with the code given.
    first, twin = await asyncio.gather(*(walker.browser.post(target, fields) for _ in range(2)))
    assert (first.status_code, twin.status_code) == (303, 303), (pattern, text_of(first)[-2000:])
    assert first.headers["location"] == await place_of(walker, twin), pattern
    assert await audited() == before + one.audited, pattern
    later = await walker.browser.post(target, fields)
    assert later.status_code == one.afterwards, pattern
    assert await audited() == before + one.audited, pattern
    if later.status_code == 303:
        assert later.headers["location"] == first.headers["location"], pattern
        assert SENT_BEFORE in text_of(await walker.browser.get(later.headers["location"])), pattern


async def place_of(walker: Walker, answer: httpx.Response) -> str:
    """Where a browser ends up after this answer. One whose session got a new token meanwhile is asked to sign in, and
    led on at once: it has the new token by then."""
    place = str(answer.headers["location"])
    if place.startswith("/sign-in?next="):
        place = str((await walker.browser.get(place)).headers["location"])
    return place


async def all_once(walker: Walker, app: Edge, forms: Mapping[str, Filled]) -> None:
    """Each of these forms, in turn."""
    declarations = forms_of(app)
    for pattern, one in forms.items():
        await is_carried_out_once(walker, pattern, declarations[pattern], one)


def test_every_form_is_known(settings: Settings) -> None:
    """A new form's route must be added to the walks below."""
    nothing = Scene(**dict.fromkeys(Scene.__dataclass_fields__, 0))  # type: ignore[arg-type] # names alone count here
    known = filled.of_cabinet(*4 * ("",)) | filled.of_account("", 0) | filled.of_desk(nothing, 0)
    assert set(known) | set(filled.ELSEWHERE_TESTED) | set(filled.SIGNED_OUT) == set(forms_of(create_app(settings)))


async def test_every_form_of_a_merchant_and_of_ones_account(
    world: World, app: Edge, browser: Browsers, works: Services, settings: Settings, driver: AnvilDriver
) -> None:
    account = await an_account(settings, totp=True)
    await merchants.add_member(world.terms.merchant_id, account.id, "owner", clock.now())
    person, other, third = browser(), browser(), browser()
    for one in (person, third, other):
        await one.sign_in(account)
    session_id = await database.fetch_value(
        "SELECT id FROM sessions WHERE account = $1 ORDER BY created_at DESC LIMIT 1", account.id
    )
    browser_id = await database.fetch_value("SELECT max(id) FROM known_browsers WHERE account = $1", account.id)
    ids = world.ids | {"merchant_id": world.terms.merchant_id, "mode": "test"}
    walker = Walker(person, account, ids)

    await all_wrong(walker, app, {**OF_CABINET, **OF_ACCOUNT})
    await all_once(
        walker,
        app,
        filled.of_cabinet(
            today=clock.now().date().isoformat(),
            viewer_id=world.people["viewer"].id,
            key_id=ids["key_id"],
            open_invoice_id=world.open_invoice.id,
            priced_invoice_id=await priced_invoice(works, world.terms),
        ),
    )
    await all_once(walker, app, filled.of_account(session_id, browser_id))

    assert [await one.is_signed_in() for one in (person, third, other)] == [True, False, False]
    await assert_invariants(works, with_chain=False)


async def priced_invoice(works: Services, terms: Terms) -> str:
    """An invoice whose customer has yet to choose. Returns its id."""
    await store_rate("USDT", "EUR", "0.92", clock.now())
    await store_rate("ETH", "EUR", "2400", clock.now())
    new = NewInvoice(amount="12.50", currency="EUR", expires_in=timedelta(hours=1))
    return msgspec.json.decode(await works.invoice_creation.create(terms, new, None, clock.now()), type=InvoiceBody).id


async def test_every_form_of_the_desk(
    app: Edge, browser: Browsers, works: Services, driver: AnvilDriver, token: str
) -> None:
    scene = await set_scene(works, driver, token)
    applicant = await an_account(works.settings, "other@lichtung.example")
    await applications.apply(Facts(**BUSINESS), works.networks, account_id=applicant.id, address=None, now=clock.now())
    other = (await applications.waiting())[-1].id
    person = browser()
    await person.sign_in(scene.operator)

    await all_once(Walker(person, scene.operator, {}), app, filled.of_desk(scene, other))
