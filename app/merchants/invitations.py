"""Being asked to join a merchant: a letter with a token of 256 bits, for one use, for one address, for a week.

Only the token's SHA-256 is kept. Whoever accepts must be signed in with the address that the letter went to: a
token that leaks lets nobody else in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.accounts import service as accounts
from app.core import database, ids
from app.core.crypto import sha256
from app.core.errors import ApiError, Code, invalid
from app.mail import service as mail
from app.merchants import service
from app.merchants.members import Member, member, owners_addresses
from app.merchants.roles import DESCRIPTIONS, Permission, Role
from app.merchants.team import checked_role, locked

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


async def invite(by: Member, email: str, role: str, *, public_url: str, now: datetime) -> None:
    """Send an invitation; an earlier one to the same address ends. Raises Forbidden, INVALID_INPUT."""
    new_role = checked_role(role)
    _require_for(by, new_role)
    address = accounts.checked_email(email)
    token = ids.new_secret()
    async with database.transaction():
        by = await locked(by)
        _require_for(by, new_role)
        await _refuse_members(by.merchant_id, address)
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
        await mail.enqueue(
            recipient=address,
            subject=f"{by.merchant_name}: you are invited",
            body=f"{inviter} invites you to {by.merchant_name} as {new_role}.\n{DESCRIPTIONS[new_role]}\n\n"
            f"To accept, open this page and sign in, or sign up, with the address that this letter came to:\n"
            f"{public_url}/invitation?token={token}\n\n"
            f"The invitation holds for {VALID_FOR.days} days. If you don't know what this is about, ignore it.\n",
            now=now,
        )


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
        _require_for(by, invitation["role"])
        await _end_open(by.merchant_id, invitation["email"], now)
        await by.record("team.invitation_withdrawn", by.merchant_id, now, email=invitation["email"])


async def find(token: str, now: datetime) -> OpenInvitation | None:
    """The open invitation that a token is for; None for a token that is used, withdrawn, too old, or none of ours."""
    row = await database.fetch_one(f"{_SELECT} AND i.token_hash = $2", now, sha256(token.encode()))
    return None if row is None else OpenInvitation(**dict(row))


async def open_of(merchant_id: str, now: datetime) -> list[OpenInvitation]:
    """A merchant's open invitations, newest first."""
    rows = await database.fetch_all(f"{_SELECT} AND i.merchant = $2 ORDER BY i.id DESC", now, merchant_id)
    return [OpenInvitation(**dict(row)) for row in rows]


async def accept(token: str, *, account_id: str, address: str | None, now: datetime) -> str:
    """Join the merchant with the role of the invitation; the merchant's id. One use: of two at once, one wins.

    Raises NOT_FOUND for a token that is not open, INVALID_INPUT for an account with another address.
    """
    invitation = await find(token, now)
    if invitation is None:
        raise _gone()
    async with database.transaction():
        await database.execute("SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE", invitation.merchant_id)
        account = await database.fetch_one("SELECT name, email FROM accounts WHERE id = $1", account_id)
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
        for owner in await owners_addresses(invitation.merchant_id):
            await mail.enqueue(
                recipient=owner,
                subject=f"{account['name']} joined {invitation.merchant_name}",
                body=f"{account['name']} <{account['email']}> accepted {invitation.invited_by}'s invitation and is"
                f" {invitation.role} of {invitation.merchant_name} now.\n",
                now=now,
            )
    return invitation.merchant_id


_SELECT = """
    SELECT i.id, i.merchant AS merchant_id, m.name AS merchant_name, i.email, i.role, a.name AS invited_by,
        i.created_at, i.expires_at
    FROM merchant_invitations i JOIN merchants m ON m.id = i.merchant JOIN accounts a ON a.id = i.invited_by
    WHERE i.accepted_at IS NULL AND i.withdrawn_at IS NULL AND i.expires_at > $1
    """


def _require_for(by: Member, role: Role) -> None:
    by.require(Permission.TEAM_MANAGE)
    if role == "owner":
        by.require(Permission.OWNERS_MANAGE)


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


def _gone() -> ApiError:
    return ApiError(Code.NOT_FOUND, "the invitation was used or withdrawn, or has expired: ask for another")
