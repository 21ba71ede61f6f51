"""One email before an invitation ends, to whoever has not answered it.

It has a link of its own beside the one of the first email, whose token is stored only as a hash. Both work, once.
"""

from datetime import datetime, timedelta

from app.core import database, ids
from app.core.crypto import sha256
from app.mail import service as mail
from app.mail.letters import Kind, letter
from app.merchants import invitations_repository, memberships_repository, repository
from app.merchants.invitations import link_of, sender_may_invite
from app.merchants.roles import DESCRIPTIONS

BEFORE = timedelta(days=2)
"""So long before its end an invitation is reminded of."""

AT_ONCE = 200
"""Invitations that are read at a time."""


async def send(public_url: str, now: datetime) -> int:
    """Write the reminders that are due; return how many. Not inside a transaction.

    Each is written in one transaction with its mark, under the lock of the team: none twice, and none for an invitation
    that is withdrawn or used meanwhile.
    """
    count, last_id = 0, 0
    while found := await invitations_repository.ending(now, now + BEFORE, last_id, AT_ONCE):
        for due in found:
            async with database.transaction():
                await repository.lock(due.merchant_id)
                count += await _remind(due.id, public_url, now)
        last_id = found[-1].id
    return count


async def _remind(invitation_id: int, public_url: str, now: datetime) -> bool:
    """Write the reminder, unless its sender may not invite any more, or the address has joined in another way, or has
    got too many emails from us: then a later run looks again."""
    invitation = await invitations_repository.to_remind(invitation_id, now)
    if invitation is None or not sender_may_invite(invitation):
        return False
    if await memberships_repository.has_member_with(invitation.merchant_id, invitation.email):
        return False
    if not await mail.may_write(Kind.UNASKED, invitation.email, now):
        return False
    token = ids.new_secret()
    await invitations_repository.reminded(invitation.id, sha256(token.encode()), now)
    reminder = letter(
        Kind.UNASKED,
        "Your invitation to a team on Swap Pay ends soon",
        "{inviter} has invited you to {merchant} as {role}, and you have not answered yet.\n{description}\n\n"
        "To accept, open this page and sign in, or sign up, with the address that this email came to:\n"
        "{link}\n\nThe invitation is valid until {expires_at}. If you don't want to join, do nothing: we don't write "
        "about it again.\n",
        ours={
            "role": invitation.role,
            "description": DESCRIPTIONS[invitation.role],
            "link": link_of(public_url, token),
            "expires_at": invitation.expires_at,
        },
        inviter=invitation.invited_by,
        merchant=invitation.merchant_name,
    )
    await mail.enqueue_to_kept(invitation.email, reminder, now)
    return True
