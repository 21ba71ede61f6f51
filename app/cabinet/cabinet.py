"""The responses of the cabinet's pages, with the navigation around them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from litestar import Response

from app.cabinet.context import context_of
from app.cabinet.nav import nav_of
from app.identity.forms import Form
from app.identity.identity import Identity, PageRequest, parts_only
from app.live.hub import LiveHub
from app.live.shared_reads import SharedReads
from app.live.topics import of_merchant

T = TypeVar("T")


class Cabinet:
    """One for each process; the modules of pages get it."""

    def __init__(self, identity: Identity, hub: LiveHub) -> None:
        self.identity = identity
        self.services = identity.services
        self._shared = SharedReads(hub)

    async def read(self, request: PageRequest, topic: str, what: object, make: Callable[[], Awaitable[T]]) -> T:
        """The result of `make`: what every member sees of the merchant's `topic`, such as `invoices`. `what` tells it
        from others, such as its filters. Open pages that were told of a change get it from each other."""
        if "x-live-parts" not in request.headers:
            return await make()
        ctx = context_of(request)
        return await self._shared.read(of_merchant(ctx.merchant_id, ctx.mode, topic)[0], repr(what), make)

    async def page(
        self, request: PageRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> Response[bytes]:
        """A page of a merchant. Its template gets `context`, `ctx`, `nav`, and what every page gets."""
        return self.identity.page(request, template, await self._framed(request, context), status=status)

    async def refused(
        self, request: PageRequest, form: Form, template: str, context: Mapping[str, Any] | None = None
    ) -> Response[bytes]:
        """The form again, with its errors (422)."""
        return self.identity.refused(request, form, template, await self._framed(request, context))

    async def _framed(self, request: PageRequest, context: Mapping[str, Any] | None) -> dict[str, Any]:
        ctx = context_of(request)
        return {
            "ctx": ctx,
            "nav": await nav_of(ctx, request.scope["path"], bare=parts_only(request)),
            **(context or {}),
        }
