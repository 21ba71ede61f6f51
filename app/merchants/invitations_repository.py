"""Every statement on `merchant_invitations`."""

from datetime import datetime
from typing import Literal

import msgspec

from app.accounts.tables import Account
from app.core import database
from app.core.statement import Command, Param, Statement, insert, select
from app.merchants.roles import Role, Standing
from app.merchants.tables import Invitation


class CurrentInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that is not used, withdrawn or expired. `inviters_role` is None where its sender is no member.

    `standing` is the merchant's.
    """

    id: int
    merchant_id: str
    merchant_name: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime
    reminded_at: datetime | None
    inviters_role: Role | None
    standing: Standing


class InvitedAddress(msgspec.Struct, frozen=True):
    """An address that was offered a role."""

    email: str
    role: Role


class Invitee(msgspec.Struct, frozen=True):
    """The account that accepts."""

    name: str
    email: str


class SentInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation by its sender. `account_id` and `name` are the account that joined, None where none has."""

    email: str
    role: Role
    created_at: datetime
    state: Literal["open", "withdrawn", "joined"]
    account_id: str | None
    name: str | None


_IS_UNUSED = Invitation.accepted_at.is_null() & Invitation.withdrawn_at.is_null()
_OF_MERCHANT = Invitation.merchant == Param("merchant")

# SQL, since the inviter's membership is joined without a foreign key.
_SELECT = """
    SELECT i.id, i.merchant AS merchant_id, m.name AS merchant_name, i.email, i.role, a.name AS invited_by,
        i.created_at, i.expires_at, i.reminded_at, p.role AS inviters_role, m.status AS standing
    FROM merchant_invitations i JOIN merchants m ON m.id = i.merchant JOIN accounts a ON a.id = i.invited_by
        LEFT JOIN memberships p ON p.merchant = i.merchant AND p.account = i.invited_by
    WHERE i.accepted_at IS NULL AND i.withdrawn_at IS NULL AND i.expires_at > $1
    """


async def find(token_hash: bytes, now: datetime) -> CurrentInvitation | None:
    """The open invitation with this hash, of its email or of its reminder."""
    row = await database.fetch_one(f"{_SELECT} AND (i.token_hash = $2 OR i.reminder_hash = $2)", now, token_hash)
    return None if row is None else CurrentInvitation(**row)


async def open_for(email: str, now: datetime) -> list[CurrentInvitation]:
    """The open invitations of an address, newest first."""
    rows = await database.fetch_all(f"{_SELECT} AND i.email = $2 ORDER BY i.id DESC", now, email)
    return [CurrentInvitation(**row) for row in rows]


async def open_of(merchant_id: str, at: datetime) -> list[CurrentInvitation]:
    """A merchant's invitations that are not used or withdrawn, and had not expired at a time; newest first."""
    rows = await database.fetch_all(f"{_SELECT} AND i.merchant = $2 ORDER BY i.id DESC", at, merchant_id)
    return [CurrentInvitation(**row) for row in rows]


async def ending(now: datetime, before: datetime, after_id: int, limit: int) -> list[CurrentInvitation]:
    """Open invitations that end before a time and of which nobody was reminded, by id, beyond the one given."""
    rows = await database.fetch_all(
        f"{_SELECT} AND i.reminded_at IS NULL AND i.expires_at < $2 AND i.id > $3 ORDER BY i.id LIMIT $4",
        now,
        before,
        after_id,
        limit,
    )
    return [CurrentInvitation(**row) for row in rows]


async def to_remind(invitation_id: int, now: datetime) -> CurrentInvitation | None:
    """The invitation, if it is open and nobody was reminded of it."""
    row = await database.fetch_one(f"{_SELECT} AND i.reminded_at IS NULL AND i.id = $2", now, invitation_id)
    return None if row is None else CurrentInvitation(**row)


async def reminded(invitation_id: int, reminder_hash: bytes, now: datetime) -> None:
    """Record that its reminder was written, with a token of its own."""
    await _REMINDED.run(id=invitation_id, reminder_hash=reminder_hash, now=now)


_REMINDED = Command(
    Invitation.update({Invitation.reminded_at: Param("now"), Invitation.reminder_hash: Param("reminder_hash")}).where(
        Invitation.id == Param("id")
    )
)


async def count_open(merchant_id: str, now: datetime) -> int:
    """How many invitations of a merchant are open."""
    return await _COUNT_OPEN.one(merchant=merchant_id, now=now)


_COUNT_OPEN = Statement(Invitation.count().where(_OF_MERCHANT, _IS_UNUSED, Invitation.expires_at > Param("now")), int)


async def sent_by(merchant_id: str, account_id: str, now: datetime) -> list[SentInvitation]:
    """Invitations of a sender that have not expired, or whose account is a member; newest first."""
    # SQL, since the membership of the account that joined is joined without a foreign key.
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
    return [SentInvitation(**row) for row in rows]


async def unused_sent_by(merchant_id: str, account_id: str) -> list[InvitedAddress]:
    """Invitations of a sender that are not used or withdrawn, expired ones too, oldest first."""
    return await _UNUSED_SENT_BY.all(merchant=merchant_id, account=account_id)


_UNUSED_SENT_BY = Statement(
    select(Invitation, InvitedAddress)
    .where(_OF_MERCHANT, Invitation.invited_by == Param("account"), _IS_UNUSED)
    .order_by(Invitation.id),
    InvitedAddress,
)


async def unused(merchant_id: str, invitation_id: int) -> InvitedAddress | None:
    """One of a merchant's invitations that is not used or withdrawn."""
    return await _UNUSED.first(merchant=merchant_id, id=invitation_id)


_UNUSED = Statement(
    select(Invitation, InvitedAddress).where(Invitation.id == Param("id"), _OF_MERCHANT, _IS_UNUSED), InvitedAddress
)


async def unused_role(merchant_id: str, email: str) -> Role | None:
    """The role that an address is offered by an invitation that is not used or withdrawn."""
    return await _UNUSED_ROLE.first(merchant=merchant_id, email=email)


_UNUSED_ROLE: Statement[Role] = Statement(
    Invitation.select(Invitation.role).where(_OF_MERCHANT, Invitation.email == Param("email"), _IS_UNUSED),
    str,  # type: ignore[arg-type] # a CHECK allows only these words
)


async def merchant_of(token_hash: bytes) -> str | None:
    """The id of the merchant that an invitation is for."""
    return await _MERCHANT_OF.first(token_hash=token_hash)


_MERCHANT_OF = Statement(
    Invitation.select(Invitation.merchant).where(
        (Invitation.token_hash == Param("token_hash")) | (Invitation.reminder_hash == Param("token_hash"))
    ),
    str,
)


async def add(
    merchant_id: str,
    *,
    email: str,
    role: Role,
    token_hash: bytes,
    invited_by: str,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Write an invitation."""
    await _ADD.run(
        merchant=merchant_id,
        email=email,
        role=role,
        token_hash=token_hash,
        invited_by=invited_by,
        created_at=now,
        expires_at=expires_at,
    )


_ADD = Command(
    insert(
        Invitation,
        Invitation.merchant,
        Invitation.email,
        Invitation.role,
        Invitation.token_hash,
        Invitation.invited_by,
        Invitation.created_at,
        Invitation.expires_at,
    )
)


async def renew(invitation_id: int, *, token_hash: bytes, invited_by: str, now: datetime, expires_at: datetime) -> None:
    """Write an invitation anew: other token, sender and time. Links of its earlier emails end."""
    await _RENEW.run(id=invitation_id, token_hash=token_hash, invited_by=invited_by, now=now, expires_at=expires_at)


_RENEW = Command(
    Invitation.update(
        {
            Invitation.token_hash: Param("token_hash"),
            Invitation.invited_by: Param("invited_by"),
            Invitation.created_at: Param("now"),
            Invitation.expires_at: Param("expires_at"),
            Invitation.reminded_at: None,
            Invitation.reminder_hash: None,
        }
    ).where(Invitation.id == Param("id"))
)


async def accept(invitation_id: int, account_id: str, now: datetime) -> bool:
    """Mark an invitation as used; False where it is used, withdrawn or expired."""
    return bool(await _ACCEPT.run(id=invitation_id, account=account_id, now=now))


_ACCEPT = Command(
    Invitation.update({Invitation.accepted_at: Param("now"), Invitation.accepted_by: Param("account")}).where(
        Invitation.id == Param("id"), _IS_UNUSED, Invitation.expires_at > Param("now")
    )
)


async def withdraw(merchant_id: str, email: str, now: datetime) -> None:
    """Withdraw the invitation of an address that is not used, an expired one too."""
    await _WITHDRAW.run(merchant=merchant_id, email=email, now=now)


_WITHDRAW = Command(
    Invitation.update({Invitation.withdrawn_at: Param("now")}).where(
        _OF_MERCHANT, Invitation.email == Param("email"), _IS_UNUSED
    )
)


async def inviters_name(account_id: str) -> str:
    """The name of the account that invites."""
    return await _INVITERS_NAME.one(id=account_id)


_INVITERS_NAME = Statement(Account.select(Account.name).where(Account.id == Param("id")), str)


async def share_account(account_id: str) -> Invitee | None:
    """The account that accepts, which nobody can change until the caller's transaction ends."""
    return await _SHARE_ACCOUNT.first(id=account_id)


_SHARE_ACCOUNT = Statement(
    Account.select(Account.name, Account.email).where(Account.id == Param("id")).lock_rows("SHARE"), Invitee
)
