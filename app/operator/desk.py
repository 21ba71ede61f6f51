"""Shared by every page of the desk: the operator, the navigation with its counts, and errors shown in the form."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from litestar import Response

from app.accounts.operators import ActionRefused, Operator, operator_from_session, stated_reason
from app.accounts.totp import CodeRefused
from app.backoffice import names, queue
from app.core.errors import ApiError, Code
from app.deposits.reviews import ReviewRefused
from app.identity.forms import Form, FormRefused
from app.identity.identity import Identity, PageRequest, visitor_of
from app.operator.labels import Labels
from app.operator.nav import desk_nav
from app.wiring import Services
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.holds import HoldRefused

QUEUE = "/desk"
"""Where an operator returns after each action."""

REFUSALS = (ActionRefused, ApprovalRefused, ReviewRefused, HoldRefused)
"""Refusals of services whose texts are written for operators."""


class Desk(msgspec.Struct, frozen=True):
    """The desk of one process."""

    services: Services
    identity: Identity

    async def page(
        self,
        request: PageRequest,
        template: str,
        context: Mapping[str, Any],
        *,
        actors: Iterable[str | None] = (),
        status: int = 200,
    ) -> Response[Any]:
        """A page with the desk's navigation. `actors` are those whose names it shows."""
        return self.identity.page(
            request,
            f"operator/{template}.html",
            {
                "nav": desk_nav(request.url.path, await queue.counts()),
                "labels": Labels(self.services.networks, await names.of_actors(actors)),
                "operator": operator_of(request),
                **context,
            },
            status=status,
        )

    async def verified_operator(self, request: PageRequest, form: Form) -> Operator:
        """The operator who sends the form. Raises FormRefused unless they gave a code within the last ten minutes, and
        where a field was refused before (`gathering`)."""
        await self.identity.require_fresh_code(request, form)
        if form.errors:  # of fields that were read before
            raise FormRefused(form)
        return operator_of(request)

    def done(
        self, request: PageRequest, flash: str, path: str = QUEUE, link: tuple[str, str] = ("", "")
    ) -> Response[Any]:
        """Redirect to the queue, or to `path`, with a message on what was done and a link: its words, its path."""
        return self.identity.redirect(request, path, flash=flash, link=link)


def operator_of(request: PageRequest) -> Operator:
    """The operator of the request. Raises for anybody else; the guard refuses them before."""
    visitor = visitor_of(request)
    return operator_from_session(visitor.session, address=visitor.address)


@contextmanager
def refusals(form: Form) -> Iterator[None]:
    """Turn what a service refuses into errors of the form. Raises FormRefused."""
    with form.catching():
        try:
            yield
        except CodeRefused as error:
            raise form.refuse("code", str(error)) from None
        except REFUSALS as error:
            raise form.refuse("", str(error)) from None


@contextmanager
def gathering(form: Form) -> Iterator[None]:
    """Record what is wrong with a field, and go on: a page shows all errors of a form at once."""
    with suppress(FormRefused), refusals(form):
        yield


def reason_of(form: Form) -> str:
    """The reason that a form gives; where it is refused, its error is recorded."""
    reason = ""
    with gathering(form):
        reason = stated_reason(form.text("reason"))
    return reason


def code_of(form: Form) -> str:
    """The code that a form gives, which a service checks; where there is none, that is recorded."""
    code = form.text("code").replace(" ", "")
    if not code:
        form.record("code", "Enter the code that your authenticator app shows.")
    return code


def nothing_here() -> ApiError:
    """The error for a page that does not exist."""
    return ApiError(Code.NOT_FOUND, "there is nothing here")
