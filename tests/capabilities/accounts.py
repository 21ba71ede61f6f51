"""Capabilities of an account: how each is made and used, and the events that end it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pyotp

from app.accounts import operators, recovery_codes, repository, sessions, sessions_repository, totp
from app.accounts.known_browsers import Place, SignInAlerts
from app.accounts.letters import Letters
from app.accounts.sign_in import CodeWanted, SignedIn
from app.core import clock, database, ids
from app.core.errors import ApiError
from app.identity.visitor import Visitor
from tests.capabilities.world import HERE, URL, World, sign_out_others
from tests.identity.browsing import PASSWORD

Use = Callable[[], Awaitable[bool]]
"""Use the capability as its holder would. Returns whether it worked."""

PLACE = Place(HERE, "", "a browser")

NEW = "quite another phrase 8"


async def session(world: World) -> Use:
    """Another browser's session, and a copy of the cookie of the browser that makes the change."""
    tokens = [world.token, await world.open_session()]

    async def use() -> bool:
        return any([await sessions.find(token, clock.now()) is not None for token in tokens])

    return use


async def given_code(world: World) -> Use:
    """Checked by the id of the session that continues after a change."""

    async def use() -> bool:
        now = clock.now()
        goes_on = [
            one for one in await sessions_repository.of_account(world.account_id, now) if one.id == world.session.id
        ]
        return any(one.code_given_at is not None and not Visitor(one, HERE).needs_code(now) for one in goes_on)

    return use


async def half_sign_in(world: World) -> Use:
    waiting = await world.sign_in.with_password(
        email=world.email, password=PASSWORD, address=HERE, site=HERE, user_agent="", browser="", now=clock.now()
    )
    assert isinstance(waiting, CodeWanted)

    async def use() -> bool:
        code, now = world.code(), clock.now()
        asks = await world.sign_in.is_waiting(waiting.token, now)
        try:
            done = await world.sign_in.with_code(waiting.token, code, address=HERE, user_agent="", browser="", now=now)
        except totp.CodeRefused:
            done = None
        return asks or isinstance(done, SignedIn)

    return use


async def password(world: World) -> Use:
    async def use() -> bool:
        try:
            await world.sign_in.check_password(
                email=world.email, password=PASSWORD, address=HERE, site=HERE, now=clock.now()
            )
        except ApiError:
            return False
        return True

    return use


async def code_of_the_authenticator(world: World) -> Use:
    """The code of a minute later: no event has raised the counter to it, so it is refused for the secret's end."""
    shown_at = clock.now() + timedelta(minutes=1)
    code = pyotp.TOTP(world.totp_secret).at(shown_at)

    async def use() -> bool:
        clock.shift(max(timedelta(), shown_at - clock.now()))
        try:
            await totp.verify(world.settings.data_keys, world.account_id, code, clock.now())
        except totp.CodeRefused:
            return False
        return True

    return use


async def recovery_code(world: World) -> Use:
    async with database.transaction():
        code, *_ = await recovery_codes.create(world.account_id, clock.now())

    async def use() -> bool:
        return await recovery_codes.use(world.account_id, code)

    return use


async def offer(world: World) -> Use:
    """Used as by the handler: with the session that the guard finds and the account's state at that time."""
    made = world.enrolment.offer(await world.person(), world.session, clock.now())
    secret = "".join(made.groups)

    async def use() -> bool:
        alive = [
            one
            for one in await sessions_repository.of_account(world.account_id, clock.now())
            if one.id == world.session.id
        ]
        if not alive:
            return False
        clock.shift(timedelta(seconds=30))
        now, person = clock.now(), await world.person()
        reopened = world.enrolment.reopen(person, alive[0], made.sealed, now)
        if reopened is None:
            return False
        code = pyotp.TOTP(secret).at(now)
        await world.enrolment.confirm(person, alive[0], reopened, code, address=HERE, now=now)
        return True

    return use


async def link_of_a_sign_up(world: World) -> Use:
    email = f"new-{world.email}"
    await world.sign_up.request(email=email, name="N", password=PASSWORD, next_path=None, site=HERE, now=clock.now())
    token = await world.mailed(email)
    world.kept["signs_up"] = email

    async def use() -> bool:
        try:
            return await world.sign_up.confirm(token, PASSWORD, place=PLACE, now=clock.now()) is not None
        except ApiError:
            return False

    return use


async def link_of_a_reset(world: World) -> Use:
    await world.password_changes.request_reset(email=world.email, address=HERE, site=HERE, now=clock.now())
    token = await world.mailed()

    async def use() -> bool:
        return await world.password_changes.reset(token, "yet another phrase 9", address=HERE, now=clock.now())

    return use


async def link_of_a_new_address(world: World) -> Use:
    email = f"thief-{world.email}"
    await world.email_changes.request(await world.person(), email, address=HERE, now=clock.now())
    token = await world.mailed(email)

    async def use() -> bool:
        return await world.email_changes.confirm(token, session=None, address=HERE, now=clock.now()) is not None

    return use


async def alert(world: World) -> str:
    """A sign-in from a new place. Returns the token in the email about it."""
    async with database.transaction():
        person = await repository.lock(world.account_id)
        place = Place(HERE, "", ids.new_secret())
        await SignInAlerts(Letters(URL)).note(person, place, "authenticator", clock.now())
    return await world.mailed()


async def link_of_a_sign_in_alert(world: World) -> Use:
    token = await alert(world)

    async def use() -> bool:
        return await world.not_me.disown(token, address=HERE, now=clock.now()) is not None

    return use


async def disowned(world: World) -> None:
    assert await world.not_me.disown(await alert(world), address=HERE, now=clock.now())


async def operators_right(world: World) -> Use:
    await database.execute("UPDATE accounts SET is_operator = true WHERE id = $1", world.account_id)

    async def use() -> bool:
        session = await sessions.find(await world.open_session(), clock.now())
        try:
            return session is not None and bool(operators.operator_from_session(session, address=HERE))
        except operators.NotAnOperator:
            return False

    return use


async def new_password(world: World) -> None:
    await world.password_changes.change(await world.person(), NEW, session=world.session, address=HERE, now=clock.now())


async def reset(world: World) -> None:
    await world.password_changes.request_reset(email=world.email, address=HERE, site=HERE, now=clock.now())
    assert await world.password_changes.reset(await world.mailed(), NEW, address=HERE, now=clock.now())


async def new_address(world: World) -> None:
    email = f"changed-{world.email}"
    await world.email_changes.request(await world.person(), email, address=HERE, now=clock.now())
    token = await world.mailed(email)
    assert await world.email_changes.confirm(token, session=world.session, address=HERE, now=clock.now())


async def another_address_is_asked_for(world: World) -> None:
    await world.email_changes.request(await world.person(), f"other-{world.email}", address=HERE, now=clock.now())


async def set_up(world: World) -> None:
    assert await (await offer(world))()


async def turned_off(world: World) -> None:
    await world.enrolment.turn_off(await world.person(), session=world.session, address=HERE, now=clock.now())


async def new_recovery_codes(world: World) -> None:
    await world.enrolment.new_recovery_codes(await world.person(), session=world.session, address=HERE, now=clock.now())


async def removed_as_an_operator(world: World) -> None:
    await database.execute("UPDATE accounts SET is_operator = true WHERE id = $1", world.account_id)
    async with database.transaction():
        await operators.remove(world.email)


async def signed_out(world: World) -> None:
    for one in await sessions_repository.of_account(world.account_id, clock.now()):
        assert await sessions_repository.delete(world.account_id, one.id)


async def an_account_with_the_address(world: World) -> None:
    await database.execute("UPDATE accounts SET email = $2 WHERE id = $1", world.account_id, world.kept["signs_up"])


MAKES: dict[str, Callable[[World], Awaitable[Use]]] = {
    "Session": session,
    "Code that was given": given_code,
    "Half sign-in": half_sign_in,
    "Password": password,
    "Code of the authenticator": code_of_the_authenticator,
    "Recovery code": recovery_code,
    "Offer of an authenticator": offer,
    "Link of a sign-up": link_of_a_sign_up,
    "Link of a reset": link_of_a_reset,
    "Link of a new email address": link_of_a_new_address,
    "Link of a sign-in alert": link_of_a_sign_in_alert,
    "Operator's right": operators_right,
}

ENDS: dict[str, Callable[[World], Awaitable[None]]] = {
    "a new password": new_password,
    "a reset password": reset,
    "a new email address": new_address,
    "an authenticator is set up": set_up,
    "the authenticator is turned off": turned_off,
    "new recovery codes": new_recovery_codes,
    "all others are signed out": sign_out_others,
    "removal as an operator": removed_as_an_operator,
    "a sign-in that is disowned": disowned,
    "signing out": signed_out,
    "being ended in the list of sessions": signed_out,
    "another change of address is asked for": another_address_is_asked_for,
    "an account with the address": an_account_with_the_address,
}
