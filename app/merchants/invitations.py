"""Invitations to join a merchant: an email with a token of 256 bits, for one use, one address and a week.

Only the token's SHA-256 is stored. Who may use a token depends on the address that the email was sent to. Where an
account has it, only that account can accept: to others a leaked token is of no use. Where none has it yet, the link
creates the account, with a password of the reader's choice, and counts as the proof of the address (cabinet/
invitation.py): whoever reads the email, or has its link, joins as that address. So the emails go out only to people
whom an owner or admin has named, sending one again ends the links before it, and owners are told of everybody who
joins.

The sender's permission is checked again when the invitation is used, and their invitations are withdrawn when they
lose it. Reminders are in invitation_reminders.py.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from app.accounts import service as accounts
from app.core import database, ids
from app.core.crypto import sha256
from app.core.errors import ApiError, Code, Forbidden, invalid
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.merchants import invitations_repository, memberships_repository, repository, service
from app.merchants.invitations_repository import CurrentInvitation, SentInvitation
from app.merchants.members import Member, locked, member, write_to_owners
from app.merchants.roles import ALLOWED, DESCRIPTIONS, Permission, Role, checked_role, may, to_invite

VALID_FOR = timedelta(days=7)

MAX_OPEN = 50
"""Open invitations of a merchant: a bound on the letters that it can send through us."""


SHOWN_AFTER = timedelta(days=30)
"""So long an invitation that has expired is listed, to be sent again."""


class OpenInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that can still be accepted; in the list of the team also one that has expired."""

    id: int
    merchant_id: str
    merchant_name: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime
    reminded_at: datetime | None

    def has_expired(self, now: datetime) -> bool:
        """Whether its week has passed."""
        return self.expires_at <= now


async def invite(by: Member, email: str, role: str, *, public_url: str, now: datetime) -> None:
    """Send an invitation; an earlier one to the same address ends.

    Raises Forbidden, also where the earlier one has a role that this member may not give, MERCHANT_…, INVALID_INPUT,
    RATE_LIMITED where the address has got too many letters that it did not ask for.
    """
    new_role = checked_role(role)
    _require_for(by, new_role)
    address = accounts.checked_email(email)
    token = ids.new_secret()
    async with database.transaction():
        by = await locked(by)
        await _refuse_members(by.merchant_id, address)
        await _check(by, address, new_role, now)
        await invitations_repository.withdraw(by.merchant_id, address, now)
        await invitations_repository.add(
            by.merchant_id,
            email=address,
            role=new_role,
            token_hash=sha256(token.encode()),
            invited_by=by.account_id,
            now=now,
            expires_at=now + VALID_FOR,
        )
        await _refuse_too_many(by.merchant_id, now)
        await by.record("team.invited", by.merchant_id, now, email=address, role=new_role)
        await _write_to(address, by, new_role, link_of(public_url, token), now)


async def send_again(by: Member, invitation_id: int, *, public_url: str, now: datetime) -> str:
    """Send an invitation once more, with a new token and for another week; the links of earlier emails end. Whoever
    sends it is its sender from now on. Returns the address.

    Raises as `invite` does, and NOT_FOUND for an invitation that was used or withdrawn.
    """
    by.require(Permission.TEAM_INVITE)
    token = ids.new_secret()
    async with database.transaction():
        by = await locked(by)
        invitation = await invitations_repository.unused(by.merchant_id, invitation_id)
        if invitation is None:
            raise _gone()
        if await memberships_repository.has_member_with(by.merchant_id, invitation.email):
            raise ApiError(Code.INVALID_INPUT, "They are a member already. Withdraw the invitation.")
        await _check(by, invitation.email, invitation.role, now)
        await invitations_repository.renew(
            invitation_id,
            token_hash=sha256(token.encode()),
            invited_by=by.account_id,
            now=now,
            expires_at=now + VALID_FOR,
        )
        await _refuse_too_many(by.merchant_id, now)
        await by.record("team.invited_again", by.merchant_id, now, email=invitation.email, role=invitation.role)
        await _write_to(invitation.email, by, invitation.role, link_of(public_url, token), now)
    return invitation.email


async def _check(by: Member, address: str, role: Role, now: datetime) -> None:
    """Raise Forbidden, MERCHANT_… or RATE_LIMITED. Needs the lock of the team."""
    _require_for(by, role)
    await _refuse_higher(by, address)
    if not await mail.may_write(Kind.UNASKED, address, now):
        raise ApiError(Code.RATE_LIMITED, "we have written to this address too often: try again tomorrow")


async def _write_to(address: str, by: Member, role: Role, link: str, now: datetime) -> None:
    invited = letter(
        Kind.UNASKED,
        "You are invited to a team on Swap Pay",
        "{inviter} invites you to {merchant} as {role}.\n{description}\n\n"
        "To accept, open this page and sign in, or sign up, with the address that this email came to:\n"
        "{link}\n\nThe invitation is valid until {expires_at}. If you don't know what this is about, ignore it.\n",
        ours={"role": role, "description": DESCRIPTIONS[role], "link": link, "expires_at": now + VALID_FOR},
        inviter=await invitations_repository.inviters_name(by.account_id),
        merchant=by.merchant_name,
    )
    await mail.enqueue_to_kept(address, invited, now)


def link_of(public_url: str, token: str) -> str:
    """The link in an email."""
    return f"{public_url}/invitation?token={token}"


async def withdraw(by: Member, invitation_id: int, now: datetime) -> None:
    """Withdraw an invitation. Raises Forbidden, NOT_FOUND for one that isn't open."""
    by.require(Permission.TEAM_MANAGE)
    async with database.transaction():
        by = await locked(by)
        invitation = await invitations_repository.unused(by.merchant_id, invitation_id)
        if invitation is None:
            raise _gone()
        if not may_give(by.role, invitation.role):
            raise _not_theirs(invitation.role)
        await invitations_repository.withdraw(by.merchant_id, invitation.email, now)
        await by.record("team.invitation_withdrawn", by.merchant_id, now, email=invitation.email)


async def withdraw_sent_by(by: Member, account_id: str, role: Role | None, now: datetime) -> None:
    """Withdraw a colleague's invitations that their new `role`, or None, no longer allows.

    In the caller's transaction, which has locked the team.
    """
    for row in await invitations_repository.unused_sent_by(by.merchant_id, account_id):
        if role is not None and may_give(role, row.role):
            continue
        await invitations_repository.withdraw(by.merchant_id, row.email, now)
        await by.record(
            "team.invitation_withdrawn", by.merchant_id, now, email=row.email, role=row.role, sent_by=account_id
        )


async def find(token: str, now: datetime) -> OpenInvitation | None:
    """The open invitation that a token is for.

    None for a token that is used, withdrawn, expired or unknown, and where its sender lost the permission.
    """
    found = await invitations_repository.find(sha256(token.encode()), now)
    return None if found is None or not sender_may_invite(found) else _open(found)


async def open_of(merchant_id: str, now: datetime) -> list[OpenInvitation]:
    """A merchant's invitations that are neither used, withdrawn nor too old, newest first."""
    return [_open(one) for one in await invitations_repository.open_of(merchant_id, now)]


async def listed_of(merchant_id: str, now: datetime) -> list[OpenInvitation]:
    """As `open_of`, and those that have expired lately: they can be sent again."""
    return [_open(one) for one in await invitations_repository.open_of(merchant_id, now - SHOWN_AFTER)]


async def sent_by(merchant_id: str, account_id: str, now: datetime) -> list[SentInvitation]:
    """Invitations that a member or former member has sent, newest first: those that have not expired, and those whose
    invited account is still a member."""
    return await invitations_repository.sent_by(merchant_id, account_id, now)


async def open_for(email: str, now: datetime) -> list[OpenInvitation]:
    """The open invitations of a confirmed address, newest first."""
    return [_open(one) for one in await invitations_repository.open_for(email, now) if sender_may_invite(one)]


async def accept(token: str, *, account_id: str, address: str | None, now: datetime) -> str:
    """Join the merchant with the role of the invitation. Returns the merchant's id.

    An invitation is for one use: of two requests at once, one succeeds.
    Raises NOT_FOUND for a token that is not open, INVALID_INPUT for an account with another address.
    """
    merchant_id = await invitations_repository.merchant_of(sha256(token.encode()))
    return await _join(merchant_id, lambda: find(token, now), account_id=account_id, address=address, now=now)


async def accept_own(invitation_id: int, email: str, *, account_id: str, address: str | None, now: datetime) -> str:
    """Like `accept`, without the token: an account with the invited address `email`, which it has confirmed, needs
    none. Raises NOT_FOUND for an invitation that is not open, or of another address."""

    async def own() -> OpenInvitation | None:
        return next((one for one in await open_for(email, now) if one.id == invitation_id), None)

    invitation = await own()
    if invitation is None:
        raise _gone()
    return await _join(invitation.merchant_id, own, account_id=account_id, address=address, now=now)


async def _join(
    merchant_id: str | None,
    find_again: Callable[[], Awaitable[OpenInvitation | None]],
    *,
    account_id: str,
    address: str | None,
    now: datetime,
) -> str:
    """Join with the invitation that `find_again` finds once the merchant is locked."""
    async with database.transaction():
        await repository.lock(merchant_id)
        invitation = await find_again()
        if invitation is None:
            raise _gone()
        account = await invitations_repository.share_account(account_id)
        if account is None or account.email != invitation.email:
            raise invalid("token", f"the invitation is for {invitation.email}: sign in with that address")
        if not await invitations_repository.accept(invitation.id, account_id, now):
            raise _gone()
        await _refuse_members(invitation.merchant_id, invitation.email)
        await service.add_member(invitation.merchant_id, account_id, invitation.role, now)
        joined = await member(account_id, invitation.merchant_id, address=address)
        assert joined is not None, "they have just been added"
        await joined.record("team.joined", account_id, now, role=invitation.role, invited_by=invitation.invited_by)
        notice = letter(
            Kind.MERCHANT,
            "Somebody joined your team",
            "{name}, {email}, accepted the invitation of {inviter} and is {role} of {merchant} now.\n",
            ours={"role": invitation.role},
            name=account.name,
            email=account.email,
            inviter=invitation.invited_by,
            merchant=invitation.merchant_name,
        )
        await write_to_owners(invitation.merchant_id, notice, now)
    return invitation.merchant_id


def _open(found: CurrentInvitation) -> OpenInvitation:
    return OpenInvitation(**{name: getattr(found, name) for name in OpenInvitation.__struct_fields__})


def sender_may_invite(found: CurrentInvitation) -> bool:
    """Whether the sender of an invitation still has the permission to send it."""
    role = found.inviters_role
    return role is not None and all(may(role, found.standing, permission) for permission in to_invite(found.role))


def may_give(role: Role, invited: Role) -> bool:
    """Whether a member with the role `role` may invite somebody as `invited`."""
    return ALLOWED[role].issuperset(to_invite(invited))


def _require_for(by: Member, role: Role) -> None:
    for permission in to_invite(role):
        by.require(permission)


async def _refuse_higher(by: Member, email: str) -> None:
    """Raise Forbidden where a new invitation would end one that `by` may not give, such as an owner's."""
    earlier = await invitations_repository.unused_role(by.merchant_id, email)
    if earlier is not None and not may_give(by.role, earlier):
        raise _not_theirs(earlier)


async def _refuse_members(merchant_id: str, email: str) -> None:
    if await memberships_repository.has_member_with(merchant_id, email):
        raise invalid("email", "is a member already")


async def _refuse_too_many(merchant_id: str, now: datetime) -> None:
    """Raise INVALID_INPUT where one more is open than may be, the one that was just written among them."""
    if await invitations_repository.count_open(merchant_id, now) > MAX_OPEN:
        raise invalid("email", f"{MAX_OPEN} invitations are open already: withdraw some first")


def _not_theirs(role: Role) -> Forbidden:
    return Forbidden(f"this address is invited as {role}, a role that you may not give: ask an owner")


def _gone() -> ApiError:
    return ApiError(Code.NOT_FOUND, "the invitation was used or withdrawn, or has expired: ask for another")
