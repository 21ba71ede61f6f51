"""Capabilities of a merchant's people and servers: how each is made and used, and the events that end it."""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from app.accounts.operators import Operator
from app.api_keys import service as api_keys
from app.api_keys.authentication import Authenticator
from app.core import clock
from app.core.errors import ApiError
from app.merchants import administration, invitations, team
from app.merchants.members import Member, member
from app.merchants.roles import Permission
from tests.capabilities.accounts import Use
from tests.capabilities.world import HERE, World
from tests.factories.api_keys import api_key

URL = "https://pay.example.test"


async def membership(world: World) -> Use:
    by: Member = await world.new_member("owner", "owner")
    admin = await world.new_member("admin", "admin")
    world.kept |= {"owner": by, "subject": admin}

    async def use() -> bool:
        now_is = await member(admin.account_id, admin.merchant_id, address=HERE)
        return now_is is not None and now_is.may(Permission.PAYOUTS_WRITE)

    return use


async def invitation(world: World) -> Use:
    """To the account of this world, from an admin."""
    by, admin = await world.new_member("owner", "owner"), await world.new_member("admin", "admin")
    await invitations.invite(admin, world.email, "developer", public_url=URL, now=clock.now())
    token = await world.mailed()
    world.kept |= {"owner": by, "subject": admin}

    async def use() -> bool:
        try:
            await invitations.accept(token, account_id=world.account_id, address=HERE, now=clock.now())
        except ApiError:
            return False
        return True

    return use


async def key(world: World) -> Use:
    """A key that was used once, so that the process remembers its secret."""
    by = await world.new_member("owner", "owner")
    issued = await api_key(world.settings.api_key_peppers, merchant_id=by.merchant_id)
    world.kept |= {"key": issued}
    return await _let_in(world, issued.full)


async def rotated_secret(world: World) -> Use:
    by = await world.new_member("owner", "owner")
    issued = await api_key(world.settings.api_key_peppers, merchant_id=by.merchant_id)
    world.kept |= {"key": issued}
    await _rotate(world, 72)
    return await _let_in(world, issued.full)


async def _let_in(world: World, full: str) -> Use:
    authenticator = Authenticator(world.settings.api_key_peppers)

    async def use() -> bool:
        try:
            await authenticator.authenticate(full, ip_address(HERE), clock.now())
        except ApiError:
            return False
        finally:
            await authenticator.close()
        return True

    assert await use()
    return use


async def _rotate(world: World, grace_hours: int) -> None:
    issued = world.kept["key"]
    await api_keys.rotate(
        world.settings.api_key_peppers,
        key_id=issued.id,
        merchant_id=issued.merchant_id,
        grace_hours=grace_hours,
        seen_by=None,
        now=clock.now(),
    )


async def rotated_without_grace(world: World) -> None:
    await _rotate(world, 0)


async def revoked(world: World) -> None:
    await api_keys.revoke(key_id=world.kept["key"].id, merchant_id=world.kept["key"].merchant_id, now=clock.now())


async def five_wrong_secrets(world: World) -> None:
    authenticator, issued = Authenticator(world.settings.api_key_peppers), world.kept["key"]
    for number in range(5):
        try:
            await authenticator.authenticate(issued.guess(number), ip_address(HERE), clock.now())
        except ApiError:
            continue


async def removed(world: World) -> None:
    await team.remove(world.kept["owner"], world.kept["subject"].account_id, clock.now())


async def left(world: World) -> None:
    await team.leave(world.kept["subject"], clock.now())


async def lower_role(world: World) -> None:
    await team.change_role(world.kept["owner"], world.kept["subject"].account_id, "developer", clock.now())


async def withdrawn(world: World) -> None:
    (open_one,) = await invitations.open_of(world.kept["merchant_id"], clock.now())
    await invitations.withdraw(world.kept["owner"], open_one.id, clock.now())


async def invited_anew(world: World) -> None:
    await invitations.invite(world.kept["owner"], world.email, "viewer", public_url=URL, now=clock.now())


async def sent_again(world: World) -> None:
    (open_one,) = await invitations.open_of(world.kept["merchant_id"], clock.now())
    await invitations.send_again(world.kept["owner"], open_one.id, public_url=URL, now=clock.now())


async def suspended(world: World) -> None:
    await administration.suspend(world.kept["merchant_id"], "a test", _staff(world), clock.now())


async def banned(world: World) -> None:
    await administration.ban(world.kept["merchant_id"], "a test", _staff(world), clock.now())


def _staff(world: World) -> Operator:
    return Operator(account_id=world.account_id, address=HERE)


MAKES: dict[str, Callable[[World], Awaitable[Use]]] = {
    "Membership": membership,
    "Invitation": invitation,
    "API key": key,
    "Remembered secret of an API key": key,
    "Rotated secret of an API key": rotated_secret,
}

ENDS: dict[str, Callable[[World], Awaitable[None]]] = {
    "removal from the team": removed,
    "leaving the team": left,
    "a lower role": lower_role,
    "the merchant is suspended": suspended,
    "the merchant is banned": banned,
    "being withdrawn": withdrawn,
    "another invitation to the address": invited_anew,
    "being sent again": sent_again,
    "removal of its sender": removed,
    "a lower role of its sender": lower_role,
    "its sender leaves": left,
    "revocation": revoked,
    "rotation without grace": rotated_without_grace,
    "another rotation": rotated_without_grace,
    "five wrong secrets, for an hour": five_wrong_secrets,
}
