"""Shared by the handlers of cabinet, desk and account pages: the visitor, the submitted form, and the responses."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from msgspec.structs import replace

from app.accounts import form_uses, known_browsers, people, sessions, totp
from app.accounts import repository as accounts_repository
from app.accounts.email_changes import EmailChanges
from app.accounts.enrolment import Enrolment
from app.accounts.known_browsers import Place
from app.accounts.letters import Letters
from app.accounts.password_changes import PasswordChanges
from app.accounts.repository import Person
from app.accounts.sessions import MAX_TOKEN_LENGTH
from app.accounts.sessions_repository import Session
from app.accounts.sign_in import SignIn
from app.accounts.sign_up import SignUp
from app.accounts.throttle import Throttle
from app.core import clock, ids, zones
from app.core.crypto import derive_key
from app.core.errors import ApiError, Code
from app.identity import cookies, form_keys, forms, redirects
from app.identity.flashes import Flash, Flashes
from app.identity.form_keys import FormTokens
from app.identity.forms import CSRF_FIELD, Form
from app.identity.keeping import NOTE, OWN, Keeping, fill_again, is_unsent, kept_of, note_refused
from app.identity.nav import Nav, Tone
from app.identity.passkey_forms import Asked, answer_of
from app.identity.visitor import Visitor
from app.web.client_address import site
from app.web.errors import ErrorView
from app.web.methods import is_head
from app.web.pages import HTML, Pages
from app.web.rate_limits import RateLimiter
from app.web.same_origin import is_same_origin
from app.wiring import Services

PageRequest = Request[Any, Any, Any]
"""The request of a page or of its form, as handlers get it."""

CSRF_HEADER = "x-csrf-token"
"""The header that htmx sends in place of the hidden field (`hx-headers`)."""

_BROWSER_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
"""256 bits in base64url, as `ids.new_secret` makes them."""

FRAME_PARTS = frozenset(("navigation", "notices"))
"""Parts of open pages that belong to the frame."""

PARTS = '<!doctype html><main id="main" data-live-at="{}">{}</main>'
"""The answer with nothing but parts."""

FILLED_AGAIN = Flash(
    "This is what you had filled in. Nothing was sent yet: check it, enter passwords and codes, and send it.", "neutral"
)

_ERROR_TITLES = {
    400: "That can’t be done",
    403: "You may not do that",
    404: "There is nothing here",
    405: "That can’t be done here",
    409: "That isn’t possible any more",
    413: "That is too large",
    415: "That can’t be read",
    422: "Something is missing or wrong",
    429: "One moment, please",
    503: "Not available right now",
}


class SignedOut(Exception):
    """The browser has no session, or it has ended. `page` has the form that was sent; `is_kept` says whether it shows
    what was typed."""

    def __init__(self, page: str = "", *, is_kept: bool = False) -> None:
        super().__init__("nobody is signed in")
        self.page = page
        self.is_kept = is_kept


class ForeignForm(Exception):
    """The form was not sent from a page of ours, or not from the session of that page."""


class OutdatedForm(Exception):
    """The form, with this token, is of an earlier session of the same account."""

    def __init__(self, token: str) -> None:
        super().__init__("the form's token is of an earlier session")
        self.token = token


class Identity:
    """One per process, created in app/asgi.py."""

    def __init__(self, services: Services, pages: Pages, rate_limiter: RateLimiter) -> None:
        settings = services.settings
        self.services = services
        self.rate_limiter = rate_limiter
        self._pages = pages
        self._tokens = FormTokens(settings.link_secret)
        self._flashes = Flashes(settings.link_secret)
        self.keeping = Keeping(settings.data_keys, self._tokens, rate_limiter)
        throttle = Throttle(derive_key(settings.link_secret, "throttle"))
        letters = Letters(settings.public_url)
        self.passkeys = services.passkeys
        self.not_me = services.not_me
        self.sign_in = SignIn(settings.data_keys, throttle, letters, self.passkeys)
        self.sign_up = SignUp(throttle, letters)
        self.password_changes = PasswordChanges(throttle, letters)
        self.email_changes = EmailChanges(throttle, letters)
        self.enrolment = Enrolment(settings.data_keys, letters)

    # The visitor

    async def session_of(self, request: PageRequest) -> Session | None:
        """The session of the browser's cookie, if there is one."""
        return await sessions.find(request.cookies.get(cookies.SESSION, ""), clock.now())

    async def home_of(self, request: PageRequest) -> str | None:
        """Where the person who is signed in begins: at the desk or in the cabinet. None if nobody is."""
        session = await self.session_of(request) if cookies.SESSION in request.cookies else None
        return None if session is None else "/desk" if session.is_operator else "/cabinet"

    async def recognise(self, request: PageRequest) -> Visitor | None:
        """The signed-in visitor, whose use of the session is recorded; None if nobody is signed in."""
        request.scope["state"]["read_at"] = int(clock.now().timestamp() * 1000)
        session = await self.session_of(request)
        if session is None:
            return None
        address, user_agent = address_of(request), user_agent_of(request)
        await sessions.record_use(session, address=address, user_agent=user_agent, now=clock.now())
        visitor = Visitor(session, address)
        request.scope["state"]["visitor"] = visitor
        return visitor

    def form_key(self, request: PageRequest) -> str:
        """The one-use key of the form that was sent, or of the forms on the requested page."""
        state = request.scope["state"]
        if "form_key" not in state:
            state["form_key"] = form_keys.key_in_address(request) or form_keys.new_key()
        key: str = state["form_key"]
        return key

    def csrf_token(self, request: PageRequest) -> str:
        """The token of the forms in the answer to this request, bound to the session or to the visit cookie."""
        visitor = known_visitor(request)
        account_id = visitor.account_id if visitor else None
        return self._tokens.make(self.form_key(request), self._bound_to(request), account_id)

    def _bound_to(self, request: PageRequest) -> str:
        visitor = known_visitor(request)
        return f"session:{visitor.session.id}" if visitor else f"visit:{self.visit(request)}"

    def visit(self, request: PageRequest) -> str:
        """The visit token of a browser in which nobody is signed in; a new one is sent where it has none."""
        token = request.scope["state"].get("visit") or _sane_token(request.cookies.get(cookies.VISIT))
        return token or self.start_visit(request, ids.new_secret())

    def start_visit(self, request: PageRequest, token: str) -> str:
        """Send the browser this visit token."""
        request.scope["state"]["visit"] = token
        cookies.put(request, cookies.VISIT, token)
        return token

    async def wait_for_code(self, request: PageRequest, token: str) -> None:
        """Send the browser the token of its half sign-in, and keep the forms that were kept for it."""
        await self.keeping.follow_visit(request.cookies.get(cookies.VISIT, ""), token)
        self.start_visit(request, token)

    async def start_session(self, request: PageRequest, token: str) -> None:
        """Send a new session's token with the answer, and end the session that the browser had before.

        Forms that were sent after an earlier session of the same account had ended are shown in the new one."""
        await sessions.end_token(request.cookies.get(cookies.SESSION, ""))
        session = await sessions.find(token, clock.now())
        visit = request.cookies.get(cookies.VISIT, "")
        if session is not None and visit:
            await self.keeping.sign_in(visit, session.id, session.account_id)
        cookies.put(request, cookies.SESSION, token, lifetime=sessions.LIFETIME)
        cookies.put(request, cookies.BROWSER, self.browser(request), lifetime=known_browsers.LIFETIME)
        cookies.drop(request, cookies.VISIT)

    def browser(self, request: PageRequest) -> str:
        """The token by which this browser is known at sign-ins; with its session it gets one where it has none."""
        state = request.scope["state"]
        if "browser" not in state:
            sent = request.cookies.get(cookies.BROWSER, "")
            state["browser"] = sent if _BROWSER_TOKEN.fullmatch(sent) else ids.new_secret()
        token: str = state["browser"]
        return token

    def place(self, request: PageRequest) -> Place:
        """Where a sign-in comes from."""
        return Place(address_of(request), user_agent_of(request), self.browser(request))

    # The form that was sent

    async def read_form(self, request: PageRequest) -> Form:
        """The form, urlencoded or multipart. Raises INVALID_INPUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE."""
        form: Form | None = request.scope["state"].get("form")
        if form is None:
            form = request.scope["state"]["form"] = await forms.read(request)
        kept = kept_of(request)
        if kept is not None:
            form.proofs = dict(kept.proofs)
        return form

    async def require_own_form(self, request: PageRequest) -> None:
        """Raise ForeignForm unless the request is from a page of ours for this session or browser.

        Afterwards `form_key` returns the key of this form.
        """
        if not is_same_origin(request, self.services.settings.public_url):
            raise ForeignForm("another site's page sent it")
        token = request.headers.get(CSRF_HEADER)
        if token is None:
            form = await self.read_form(request)
            token = form.secret(CSRF_FIELD)
            form.forget(CSRF_FIELD)
        visitor = known_visitor(request)
        if visitor is None and not _sane_token(request.cookies.get(cookies.VISIT)):
            raise ForeignForm("the browser sent no cookie")
        key = self._tokens.open(token, self._bound_to(request))
        if key is None and visitor is not None and self._tokens.is_of_account(token, visitor.account_id):
            raise OutdatedForm(token)
        if key is None:
            raise ForeignForm("the form's token is not this session's")
        request.scope["state"]["form_key"] = key

    async def require_fresh_code(self, request: PageRequest, form: Form) -> None:
        """Raise FormRefused, with `form.errors["code"]`, if a code is needed and the form's field `code` is not right;
        and also where an error of the form was recorded before.

        A passkey's answer counts as a code. After a right one the session has a new token. Not inside a transaction.
        """
        request.scope["state"]["code_asked"] = True
        visitor, now = visitor_of(request), clock.now()
        code, passkey = form.text("code"), answer_of(form)
        form.forget("code")
        if not visitor.needs_code(now):
            return form.refuse_if_wrong()
        try:
            if passkey is not None:
                bound_to = f"session:{visitor.session.id}"
                await self.passkeys.check(passkey.answer, passkey.signed, "step-up", bound_to, visitor.account_id, now)
            else:
                await totp.verify(self.services.settings.data_keys, visitor.account_id, code, now)
        except totp.CodeRefused as error:
            if code or passkey is not None:
                person = await accounts_repository.by_id(visitor.account_id)
                await people.record(
                    person, "step_up.code_refused", address_of(request), now, session=visitor.session.id
                )
            raise form.refuse("code", str(error)) from None
        await self.record_code(request)
        form.refuse_if_wrong()

    async def require_password_and_code(self, request: PageRequest, form: Form) -> Person:
        """The visitor, after a check of their password and, if one is needed, of a code. Raises FormRefused with all
        that is wrong, also if an error was recorded before.

        A right password is not asked for again while other fields of its form are put right. Not inside a transaction:
        wrong ones are counted.
        """
        session, password = visitor_of(request).session, form.secret("password")
        form.forget("password")
        person = await accounts_repository.by_id(session.account_id)
        proof = f"right for version {person.credentials_version}"
        if not password and form.proofs.get("password") != proof:
            form.record("password", "Enter your password.")
        elif password:
            try:
                person = await self.sign_in.check_password(
                    email=person.email,
                    password=password,
                    address=address_of(request),
                    site=site_of(request),
                    now=clock.now(),
                )
            except ApiError as error:
                is_wrong = error.code is Code.INVALID_INPUT
                form.record("password", "That is not your password." if is_wrong else error.message)
        form.proofs = {} if "password" in form.errors else {"password": proof}
        await self.require_fresh_code(request, form)
        return person

    async def record_code(self, request: PageRequest) -> None:
        """Record that the visitor's code was right just now. Raises SignedOut if the session ended meanwhile."""
        session = visitor_of(request).session
        await self.continue_session(request, session, await sessions.renew(session, clock.now()))

    async def continue_session(self, request: PageRequest, session: Session, token: str | None) -> None:
        """Send the browser the session's new token, and use the session as it is now for the rest of the request.

        Raises SignedOut without a token, or if the session ended meanwhile.
        """
        now = clock.now()
        renewed = None if token is None else await sessions.find(token, now)
        if token is None or renewed is None:
            raise SignedOut
        cookies.put(request, cookies.SESSION, token, lifetime=session.created_at + sessions.LIFETIME - now)
        before = known_visitor(request)
        if before is not None:
            request.scope["state"]["visitor"] = Visitor(renewed, before.address)

    # The answers

    def page(
        self, request: PageRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> Response[bytes]:
        """A page. Its template gets `context`, visitor, csrf_token, flash, path, needs_code, zone and zone_name.

        The context's forms, `form` and `note_form`, are shown as they were refused, or as they were typed before the
        session ended, where that is kept (keeping.py). `parts_only`: only parts of its content are wanted, and the
        frame is left out; where the template has a block named as each of them, nothing but these is rendered.
        `read_at` is when the request began, in milliseconds: what changed later, the page may not show yet.
        """
        flash = self._flashes.take(request)
        for name in (OWN, NOTE):
            form = (context or {}).get(name)
            if not isinstance(form, Form):
                continue
            if request.method in ("GET", "HEAD"):
                fill_again(request, form, name)
                flash = FILLED_AGAIN if is_unsent(request) else flash
            elif status == 422 and form.errors:
                note_refused(request, form, name)
        whole = self._frame(request) | {"flash": flash} | dict(context or {})
        parts = self._pages.blocks(template, live_parts(request), whole) if whole["parts_only"] else None
        if parts is not None:
            return Response(PARTS.format(whole["read_at"], parts).encode(), media_type=HTML, status_code=status)
        return self._pages.page(template, whole, status=status)

    def _frame(self, request: PageRequest) -> dict[str, Any]:
        visitor, now = known_visitor(request), clock.now()
        zone = visitor.zone if visitor else UTC
        needs_code = visitor.needs_code(now) if visitor else False
        return {
            "visitor": visitor,
            "passkey": self._asked_to_step_up(visitor) if visitor and needs_code else None,
            "zone": zone,
            "zone_name": zones.with_offset(zone, now),
            "csrf_token": self.csrf_token(request),
            "flash": None,
            "path": request.scope["path"],
            "needs_code": needs_code,
            "read_at": request.scope["state"].get("read_at", 0),
            "parts_only": parts_only(request),
        }

    def _asked_to_step_up(self, visitor: Visitor) -> Asked | None:
        """What a page with a field for the code asks one of the person's passkeys for; None where there is none."""
        known = visitor.session.passkey_ids
        if not known or not self.passkeys.can_be:
            return None
        return Asked.of(*self.passkeys.to_ask("step-up", f"session:{visitor.session.id}", known))

    def fragment(self, template: str, context: Mapping[str, Any]) -> Response[bytes]:
        """A part of a page, without its frame."""
        return self._pages.page(template, context)

    def redirect(
        self,
        request: PageRequest,
        path: str,
        *,
        flash: str = "",
        tone: Tone = "positive",
        link: tuple[str, str] = ("", ""),
    ) -> Response[Any]:
        """A redirect to another page of ours (303), which shows `flash` once, with a `link`: its words and its path.
        Raises ValueError for other sites."""
        words, href = link
        if not redirects.is_own(path) or (href and not redirects.is_own(href)):
            raise ValueError("a redirect target must be a path on our own site")
        if flash:
            self._flashes.put(request, flash, tone, link=words, href=href)
        return Response(b"", status_code=303, headers={"Location": path}, media_type="text/plain")

    def nothing_done(self, request: PageRequest, path: str, words: str) -> Response[Any]:
        """A redirect to a page that shows why the form changed nothing. The form may be sent again under its key."""
        request.scope["state"]["nothing_done"] = True
        return self.redirect(request, path, flash=words, tone="caution")

    def show_once(self, request: PageRequest, path: str, content: Mapping[str, Any]) -> Response[Any]:
        """A redirect to the page at `path`, which shows `content` once: `shown_once` returns it there.

        Only for an answer to a form. `content` is stored encrypted, only for this session, and is in no URL or cookie.
        """
        request.scope["state"]["shown_once"] = msgspec.json.encode(content).decode()
        return self.redirect(request, path)

    async def shown_once(self, request: PageRequest) -> dict[str, Any] | None:
        """The content that `show_once` stored for this page; None if it was shown before, or is too old.

        HEAD shows nothing, and so returns None and deletes nothing.
        """
        if is_head(request.scope):
            return None
        session, keys = visitor_of(request).session, self.services.settings.data_keys
        content = await form_uses.take_secret(session.id, request.scope["path"], keys, clock.now())
        return None if content is None else msgspec.json.decode(content, type=dict[str, Any])

    def refused(
        self, request: PageRequest, form: Form, template: str, context: Mapping[str, Any] | None = None
    ) -> Response[bytes]:
        """The form again, with its errors (422)."""
        return self.page(request, template, {**(context or {}), "form": form}, status=422)

    def error_page(self, request: PageRequest, view: ErrorView, nav: Callable[[PageRequest], Nav] | None = None) -> str:
        """The page of an error. For errors of the client it shows the message, and to a signed-in visitor `nav`."""
        title = _ERROR_TITLES.get(view.status, "Something went wrong")
        words = view.message if view.status in _ERROR_TITLES and view.status != 404 else ""
        context = {"status": view.status, "title": title, "words": words, "request_id": view.request_id}
        if known_visitor(request) is None or nav is None or view.status >= 500:  # a fault may be one of the frame
            return self._pages.render("identity/error.html", context)
        context["nav"] = replace(nav(request), live_url="")  # nothing on it changes
        return self._pages.render("errors/signed_in.html", self._frame(request) | context)


def visitor_of(request: PageRequest) -> Visitor:
    """The signed-in visitor, below a router for signed-in people. Raises SignedOut."""
    visitor = known_visitor(request)
    if visitor is None:
        raise SignedOut
    return visitor


def known_visitor(request: PageRequest) -> Visitor | None:
    """The signed-in visitor, if there is one and the guard has read the session."""
    visitor: Visitor | None = request.scope["state"].get("visitor")
    return visitor


def live_parts(request: PageRequest) -> list[str]:
    """The ids of the parts that an open page wants, which reads itself again (static/js/live.js)."""
    return request.headers.get("x-live-parts", "").split()


def parts_only(request: PageRequest) -> bool:
    """Whether an open page reads itself again, and wants nothing of its frame."""
    wanted = live_parts(request)
    return bool(wanted) and FRAME_PARTS.isdisjoint(wanted)


def address_of(request: PageRequest) -> str:
    """The client's address, for the audit log."""
    return str(request.scope["state"]["client_address"])


def site_of(request: PageRequest) -> str:
    """The client's address, or the /64 of an IPv6 one: limits per address count by it."""
    return site(request.scope["state"]["client_address"])


def user_agent_of(request: PageRequest) -> str:
    """The browser's user agent, cut and without characters that can't be shown."""
    sent = request.headers.get("user-agent", "")[: sessions.MAX_USER_AGENT_LENGTH]
    return "".join(character if character.isprintable() else " " for character in sent)


def sign_in_path(request: PageRequest) -> str:
    """The sign-in page, with this page as the next one where the request is for a page."""
    if request.method not in ("GET", "HEAD"):
        return "/sign-in"
    query = request.scope["query_string"].decode("latin-1")
    wanted = quote(request.scope["path"]) + (f"?{query}" if query else "")
    return redirects.with_next("/sign-in", wanted)


def _sane_token(token: str | None) -> str | None:
    return token if token and len(token) <= MAX_TOKEN_LENGTH and token.isascii() and token.isprintable() else None
