"""What every page of the cabinet uses: the answers with the frame around them."""

from collections.abc import Mapping
from typing import Any

from litestar import Response

from app.cabinet.nav import nav_of
from app.cabinet.seat import seat_of
from app.portal.forms import Form
from app.portal.portal import Asked, Portal


class Cabinet:
    """One for the process; page modules get it."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.gateway = portal.gateway

    async def page(
        self, request: Asked, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
    ) -> Response[bytes]:
        """A page of a merchant: besides `context` it knows `seat` and `nav`, and what every page knows."""
        return self.portal.page(request, template, await self._framed(request, context), status=status)

    async def refused(
        self, request: Asked, form: Form, template: str, context: Mapping[str, Any] | None = None
    ) -> Response[bytes]:
        """The form again, with its errors (422)."""
        return self.portal.refused(request, form, template, await self._framed(request, context))

    async def _framed(self, request: Asked, context: Mapping[str, Any] | None) -> dict[str, Any]:
        seat = seat_of(request)
        return {"seat": seat, "nav": await nav_of(seat, request.scope["path"]), **(context or {})}
