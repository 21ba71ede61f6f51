"""The responses of the cabinet's pages, with the navigation around them."""

from collections.abc import Mapping
from typing import Any

from litestar import Response

from app.cabinet.context import context_of
from app.cabinet.nav import nav_of
from app.identity.forms import Form
from app.identity.identity import Identity, PageRequest, visitor_of


class Cabinet:
    """One for each process; the modules of pages get it."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.services = identity.services

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
            "nav": await nav_of(ctx, request.scope["path"], visitor_of(request).zone),
            **(context or {}),
        }
