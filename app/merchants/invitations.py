"""Being asked to join a merchant: a letter with a token of 256 bits, for one use, for one address, for a week.

Only the token's SHA-256 is kept. Whoever accepts must be signed in with the address that the letter went to: a
token that leaks lets nobody else in. And whoever sent it must still be one who may: the right is asked when the
invitation is used, and what somebody has sent is withdrawn when they lose it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.accounts import service as accounts
from app.core import database, ids
from app.core.crypto import sha256
from app.core.database import Row
from app.core.errors import ApiError, Code, Forbidden, invalid
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.merchants import service
from app.merchants.members import Member, locked, member, write_to_owners
from app.merchants.roles import ALLOWED, DESCRIPTIONS, Permission, Role, checked_role, may, to_invite

VALID_FOR = timedelta(days=7)

MAX_OPEN = 50
"""Invitations that a merchant may have out at once: nobody's mail is flooded through us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInvitation:
    """An invitation that can still be accepted."""

    id: int
    merchant_id: str
    merchant_name: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SentInvitation:
    """What somebody has sent. `account_id` and `name` are of whoever joined by it, None while nobody has."""

    email: str
    role: Role
    created_at: datetime
    state: Literal["open", "withdrawn", "joined"]
    account_id: str | None
    name: str | None


async def invite(by: Member, email: str, role: str, *, public_url: str, now: datetime) -> None:
    """Send an invitation; an earlier one to the same address ends.

    Raises Forbidden, also where the earlier one has a role that this member may not give, MERCHANT_NOT_APPROVED and
    its kin, INVALID_INPUT, RATE_LIMITED where the address has got too many letters that it did not ask for.
    """
    new_role = checked_role(role)
    _require_for(by, new_role)
    address = accounts.checked_email(email)
    token = ids.new_secret()
    async with database.transaction():
        by = await locked(by)
        _require_for(by, new_role)
        await _refuse_members(by.merchant_id, address)
        await _refuse_higher(by, address)
        if not await mail.may_write(Kind.UNASKED, address, now):
            raise ApiError(Code.RATE_LIMITED, "we have written to this address too often: try again tomorrow")
        await _end_open(by.merchant_id, address, now)
        await _refuse_too_many(by.merchant_id, now)
        await database.execute(
            """
            INSERT INTO merchant_invitations (merchant, email, role, token_hash, invited_by, created_at, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            by.merchant_id,
            address,
            new_role,
            sha256(token.encode()),
            by.account_id,
            now,
            now + VALID_FOR,
        )
        await by.record("team.invited", by.merchant_id, now, email=address, role=new_role)
        inviter = await database.fetch_value("SELECT name FROM accounts WHERE id = $1", by.account_id)
        invited = letter(
            Kind.UNASKED,
            "You are invited to a team on Swap Pay",
            "{inviter} invites you to {merchant} as {role}.\n{description}\n\n"
            "To accept, open this page and sign in, or sign up, with the address that this letter came to:\n"
            "{link}\n\nThe invitation holds for {days} days. If you don't know what this is about, ignore it.\n",
            ours={
                "role": new_role,
                "description": DESCRIPTIONS[new_role],
                "link": f"{public_url}/invitation?token={token}",
                "days": VALID_FOR.days,
            },
            inviter=inviter,
            merchant=by.merchant_name,
        )
        await mail.enqueue_to_kept(address, invited, now)


async def withdraw(by: Member, invitation_id: int, now: datetime) -> None:
    """Take an invitation back. Raises Forbidden, NOT_FOUND for one that isn't open."""
    by.require(Permission.TEAM_MANAGE)
    async with database.transaction():
        by = await locked(by)
        invitation = await database.fetch_one(
            """
            SELECT email, role FROM merchant_invitations
            WHERE id = $1 AND merchant = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL
            """,
            invitation_id,
            by.merchant_id,
        )
        if invitation is None:
            raise _gone()
        if not _gives(by.role, invitation["role"]):
            raise _not_theirs(invitation["role"])
        await _end_open(by.merchant_id, invitation["email"], now)
        await by.record("team.invitation_withdrawn", by.merchant_id, now, email=invitation["email"])


async def withdraw_sent_by(by: Member, account_id: str, role: Role | None, now: datetime) -> None:
    """Withdraw what a colleague has sent and may send no more, having `role` from now on, or none.

    In the caller's transaction, which has locked the team.
    """
    rows = await database.fetch_all(
        """
        SELECT id, email, role FROM merchant_invitations
        WHERE merchant = $1 AND invited_by = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL ORDER BY id
        """,
        by.merchant_id,
        account_id,
    )
    for row in rows:
        if role is not None and _gives(role, row["role"]):
            continue
        await _end_open(by.merchant_id, row["email"], now)
        await by.record(
            "team.invitation_withdrawn", by.merchant_id, now, email=row["email"], role=row["role"], sent_by=account_id
        )


async def find(token: str, now: datetime) -> OpenInvitation | None:
    """The open invitation that a token is for.

    None for a token that is used, withdrawn, too old, or none of ours, and where whoever sent it may not any more.
    """
    row = await database.fetch_one(f"{_SELECT} AND i.token_hash = $2", now, sha256(token.encode()))
    return None if row is None or not _holds(row) else _open(row)


async def open_of(merchant_id: str, now: datetime) -> list[OpenInvitation]:
    """A merchant's invitations that are neither used, withdrawn nor too old, newest first."""
    rows = await database.fetch_all(f"{_SELECT} AND i.merchant = $2 ORDER BY i.id DESC", now, merchant_id)
    return [_open(row) for row in rows]


async def sent_by(merchant_id: str, account_id: str, now: datetime) -> list[SentInvitation]:
    """What a member, or a former one, has sent and still matters: letters that have not run out, newest first, and
    whoever came in by one and is a member still."""
    rows = await database.fetch_all(
        """
        SELECT i.email, i.role, i.created_at, a.id AS account_id, a.name,
            CASE WHEN i.accepted_at IS NOT NULL THEN 'joined' WHEN i.withdrawn_at IS NOT NULL THEN 'withdrawn'
                ELSE 'open' END AS state
        FROM merchant_invitations i
            LEFT JOIN memberships p ON p.merchant = i.merchant AND p.account = i.accepted_by
            LEFT JOIN accounts a ON a.id = p.account
        WHERE i.merchant = $1 AND i.invited_by = $2
            AND (p.account IS NOT NULL OR i.accepted_at IS NULL AND i.expires_at > $3)
        ORDER BY i.id DESC
        """,
        merchant_id,
        account_id,
        now,
    )
    return [SentInvitation(**dict(row)) for row in rows]


async def accept(token: str, *, account_id: str, address: str | None, now: datetime) -> str:
    """Join the merchant with the role of the invitation; the merchant's id. One use: of two at once, one wins.

    Raises NOT_FOUND for a token that is not open, INVALID_INPUT for an account with another address.
    """
    merchant_id = await database.fetch_value(
        "SELECT merchant FROM merchant_invitations WHERE token_hash = $1", sha256(token.encode())
    )
    async with database.transaction():
        await database.execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", merchant_id)
        invitation = await find(token, now)
        if invitation is None:
            raise _gone()
        account = await database.fetch_one("SELECT name, email FROM accounts WHERE id = $1 FOR SHARE", account_id)
        if account is None or account["email"] != invitation.email:
            raise invalid("token", f"the invitation is for {invitation.email}: sign in with that address")
        used = await database.execute(
            """
            UPDATE merchant_invitations SET accepted_at = $2, accepted_by = $3
            WHERE id = $1 AND accepted_at IS NULL AND withdrawn_at IS NULL AND expires_at > $2
            """,
            invitation.id,
            now,
            account_id,
        )
        if not used:
            raise _gone()
        await _refuse_members(invitation.merchant_id, invitation.email)
        await service.add_member(invitation.merchant_id, account_id, invitation.role, now)
        joined = await member(account_id, invitation.merchant_id, address=address)
        assert joined is not None, "they have just been added"
        await joined.record("team.joined", account_id, now, role=invitation.role, invited_by=invitation.invited_by)
        told = letter(
            Kind.MERCHANT,
            "Somebody joined your team",
            "{name}, {email}, accepted the invitation of {inviter} and is {role} of {merchant} now.\n",
            ours={"role": invitation.role},
            name=account["name"],
            email=account["email"],
            inviter=invitation.invited_by,
            merchant=invitation.merchant_name,
        )
        await write_to_owners(invitation.merchant_id, told, now)
    return invitation.merchant_id


_SELECT = """
    SELECT i.id, i.merchant AS merchant_id, m.name AS merchant_name, i.email, i.role, a.name AS invited_by,
        i.created_at, i.expires_at, p.role AS inviters_role, m.status AS standing
    FROM merchant_invitations i JOIN merchants m ON m.id = i.merchant JOIN accounts a ON a.id = i.invited_by
        LEFT JOIN memberships p ON p.merchant = i.merchant AND p.account = i.invited_by
    WHERE i.accepted_at IS NULL AND i.withdrawn_at IS NULL AND i.expires_at > $1
    """


def _open(row: Row) -> OpenInvitation:
    return OpenInvitation(**{name: row[name] for name in OpenInvitation.__slots__})


def _holds(row: Row) -> bool:
    """Whether whoever sent an invitation is still one who may."""
    role: Role | None = row["inviters_role"]
    return role is not None and all(may(role, row["standing"], permission) for permission in to_invite(row["role"]))


def _gives(role: Role, invited: Role) -> bool:
    """Whether a member with one role may give another, as far as the roles go."""
    return ALLOWED[role].issuperset(to_invite(invited))


def _require_for(by: Member, role: Role) -> None:
    for permission in to_invite(role):
        by.require(permission)


async def _refuse_higher(by: Member, email: str) -> None:
    """Inviting an address anew ends what it has: an admin must not end an owner's invitation so."""
    earlier: Role | None = await database.fetch_value(
        """
        SELECT role FROM merchant_invitations
        WHERE merchant = $1 AND email = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL
        """,
        by.merchant_id,
        email,
    )
    if earlier is not None and not _gives(by.role, earlier):
        raise _not_theirs(earlier)


async def _refuse_members(merchant_id: str, email: str) -> None:
    if await database.fetch_value(
        """
        SELECT true FROM memberships p JOIN accounts a ON a.id = p.account WHERE p.merchant = $1 AND a.email = $2
        """,
        merchant_id,
        email,
    ):
        raise invalid("email", "is a member already")


async def _refuse_too_many(merchant_id: str, now: datetime) -> None:
    count = await database.fetch_value(f"SELECT count(*) FROM ({_SELECT} AND i.merchant = $2) found", now, merchant_id)
    if count >= MAX_OPEN:
        raise invalid("email", f"{MAX_OPEN} invitations are out already: withdraw some first")


async def _end_open(merchant_id: str, email: str, now: datetime) -> None:
    """An expired one too: it would stand in the way of the next."""
    await database.execute(
        """
        UPDATE merchant_invitations SET withdrawn_at = $3
        WHERE merchant = $1 AND email = $2 AND accepted_at IS NULL AND withdrawn_at IS NULL
        """,
        merchant_id,
        email,
        now,
    )


def _not_theirs(role: Role) -> Forbidden:
    return Forbidden(f"this address is invited as {role}, a role that you may not give: leave it to an owner")


def _gone() -> ApiError:
    return ApiError(Code.NOT_FOUND, "the invitation was used or withdrawn, or has expired: ask for another")
