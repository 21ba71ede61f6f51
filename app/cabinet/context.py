"""The member, merchant and mode of a request to the cabinet."""

from typing import Any, cast

import msgspec
from litestar import Request

from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.terms import Mode


class MemberContext(msgspec.Struct, frozen=True):
    """A member in one mode. Every request of a merchant's page has one; the guard puts it there."""

    member: Member
    mode: Mode

    @property
    def merchant_id(self) -> str:
        """`MCH-…`."""
        return self.member.merchant_id

    @property
    def place(self) -> str:
        """The merchant and the mode, as a cookie remembers them."""
        return f"{self.member.merchant_id}/{self.mode}"

    @property
    def base(self) -> str:
        """The address below which all pages of this merchant and mode are."""
        return f"/cabinet/{self.place}"

    @property
    def other_mode(self) -> Mode:
        """The other mode: `live` or `test`."""
        return "live" if self.mode == "test" else "test"

    def path(self, *parts: str) -> str:
        """A page of this merchant and mode: `path("invoices", invoice.id)`."""
        return "/".join((self.base, *parts))

    def may(self, permission: Permission | str) -> bool:
        """Whether the member has a permission. Templates name it by its value: `ctx.may("payouts.write")`."""
        return self.member.may(Permission(permission), self.mode)


def known_context(request: Request[Any, Any, Any]) -> MemberContext | None:
    """The context of a request, None where the guard found no such member."""
    return cast(MemberContext | None, request.scope["state"].get("ctx"))


def context_of(request: Request[Any, Any, Any]) -> MemberContext:
    """The context of a request that the guard let through."""
    return cast(MemberContext, request.scope["state"]["ctx"])
