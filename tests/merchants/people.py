"""Members for tests of services, without browsers."""

from app.core import clock
from app.merchants.members import Member, member
from app.merchants.roles import Role
from tests.factories.merchants import make_member, merchant


async def new_member(merchant_id: str, role: Role, name: str = "") -> Member:
    """Create a member with this role, as services expect it."""
    email = f"{name or role}@example.test"
    account_id = await make_member(merchant_id=merchant_id, role=role, email=email, now=clock.now())
    return await current_member(account_id, merchant_id)


async def current_member(account_id: str, merchant_id: str) -> Member:
    """The account's present membership of the merchant."""
    found = await member(account_id, merchant_id, address="192.0.2.7")
    assert found is not None
    return found


async def owner_of(name: str = "Harbour & Pine", status: str = "approved") -> Member:
    """The owner of a new merchant."""
    merchant_id = await merchant(name=name, status=status)
    return await new_member(
        merchant_id, "owner", "owner" if name == "Harbour & Pine" else f"owner-{merchant_id.lower()}"
    )
