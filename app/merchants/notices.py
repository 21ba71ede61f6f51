"""Emails to a merchant's members about what happened at the merchant: who, what, when, and what to do if it was none of
them. Each kind goes to the roles that look after its matter, and to nobody who may not open the page that it names.

A use case records a notice in its transaction, one row, so that nothing waits for mailboxes while money is locked. A
worker makes each notice into emails, in one transaction with the notice's end: none is lost, and none is written twice.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from app.accounts.email_choices import Topic
from app.core import database
from app.mail import service as mail
from app.mail.letters import Kind, Letter, letter
from app.merchants import memberships_repository
from app.merchants import notices_repository as repository
from app.merchants.notices_repository import Notice
from app.merchants.roles import Permission, Role, roles_that_may
from app.merchants.terms import Mode

MADE_AT_ONCE = 200
"""Notices that one run makes into emails."""

_UNEXPECTED_KEY = (
    "If nobody of you did this, somebody else may be signed in as a colleague: revoke the key, look at the audit log, "
    "and have everybody choose a new password."
)
_UNEXPECTED_MONEY = (
    "If nobody of you asked for it, revoke the API keys that may ask for it, look at the audit log, and tell the "
    "operator of the gateway at once."
)
HEADS: tuple[Role, ...] = ("owner", "admin")
BOOKKEEPERS: tuple[Role, ...] = (*HEADS, "accountant")
_BACK = "The amount and its fee are back in your balance."


class Words(msgspec.Struct, frozen=True):
    """The words about one kind of notice. `what` has a place for each fact. `page` is where the subject is shown, below
    the merchant's pages; `{subject}` is its id. `advice` says what to do if it was unexpected."""

    topic: Topic
    subject: str
    what: str
    page: str
    advice: str = ""
    by: str = "By"
    """What the line with the person's name begins with."""
    told: tuple[Role, ...] = HEADS
    """The roles that get it."""


_MONEY = {
    f"{noun}.{step}": Words("money", subject, what, f"{noun}s/{{subject}}", advice, by="Requested by", told=BOOKKEEPERS)
    for noun, step, subject, what, advice in (
        (
            "payout",
            "confirmed",
            "Your payout was confirmed",
            "The payout of {amount} to {destination} on {chain} is confirmed. Transaction: {txid}",
            _UNEXPECTED_MONEY,
        ),
        (
            "payout",
            "rejected",
            "Your payout was rejected",
            "The gateway rejected the payout of {amount} to {destination} on {chain}. Reason: {reason}\n" + _BACK,
            _UNEXPECTED_MONEY,
        ),
        (
            "payout",
            "failed",
            "Your payout has failed",
            "The payout of {amount} to {destination} on {chain} has failed. Reason: {reason}\n" + _BACK,
            _UNEXPECTED_MONEY,
        ),
        (
            "refund",
            "confirmed",
            "Your refund was confirmed",
            "The refund of {amount} to {destination} on {chain} is confirmed. Transaction: {txid}",
            _UNEXPECTED_MONEY,
        ),
        (
            "refund",
            "rejected",
            "Your refund was rejected",
            "The gateway rejected the refund of {amount} to {destination} on {chain}. Reason: {reason}\n" + _BACK,
            _UNEXPECTED_MONEY,
        ),
        (
            "refund",
            "failed",
            "Your refund has failed",
            "The refund of {amount} to {destination} on {chain} has failed. Reason: {reason}\n" + _BACK,
            _UNEXPECTED_MONEY,
        ),
    )
}

WORDS: Mapping[str, Words] = MappingProxyType(
    {
        **_MONEY,
        "api_key.created": Words(
            "keys",
            "A new API key was made",
            'The API key "{name}" was made. It may: {scopes}. IP address: {address}',
            "keys/{subject}",
            _UNEXPECTED_KEY,
        ),
        "api_key.rotated": Words(
            "keys",
            "An API key was rotated",
            'The API key "{name}" has a new secret. IP address: {address}',
            "keys/{subject}",
            _UNEXPECTED_KEY,
        ),
        "api_key.revoked": Words(
            "keys",
            "An API key was revoked",
            'The API key "{name}" was revoked: requests with it are refused. IP address: {address}',
            "keys/{subject}",
            "If nobody of you did this, somebody else may be signed in as a colleague: look at the audit log, and have "
            "everybody choose a new password.",
        ),
        "return_address.given": Words(
            "money",
            "A customer named a return address",
            "A customer wants {amount} of the invoice {invoice} back, at {destination} on {chain}. The address waits "
            "for you: compare it with what you know of the customer, then confirm or reject it.",
            "invoices/{invoice}",
            told=roles_that_may(Permission.RETURNS_WRITE),
        ),
        "member.sign_in_disowned": Words(
            "team",
            "A member was signed in by somebody else",
            "A member of your team says that a sign-in to their account was somebody else's. They are signed out "
            "everywhere, and need a new password. IP address of the member now: {address}",
            "team/{subject}",
            "Look at the audit log for what was done in their name, and replace API keys and signing secrets that they "
            "have seen: the page of the member lists them.",
            by="Member",
        ),
        "api.deprecated": Words(
            "platform",
            "Something that you use of the API will end",
            "A program of yours has called {what} of the API. It is deprecated since {since}, and ends on {ends}. "
            "{instead}\n{reference}",
            "keys/{subject}",
            "Until it ends it goes on as before. You are told at most once in 30 days, while it is called.",
            by="Called with",
            told=("owner", "developer"),
        ),
        "switch.paused": Words(
            "platform",
            "The gateway has paused a service",
            "New {noun} are paused for all merchants. Reason: {reason}\nWhat was begun before goes on.",
            "",
        ),
        "switch.resumed": Words(
            "platform",
            "The gateway has resumed a service",
            "New {noun} are accepted again. Reason: {reason}",
            "",
        ),
    }
)
"""By kind."""

THEIRS = frozenset({"name"})
"""Facts in words that somebody of the merchant chose; the others are ours or an operator's."""

LIMITED: frozenset[str] = frozenset(_MONEY)
"""Kinds of which there may be thousands a day. They have an allowance of their own, so that they can't use up that of
other emails."""


async def record(
    kind: str, *, merchant_id: str, mode: Mode, subject: str, actor: str, facts: Mapping[str, str], now: datetime
) -> None:
    """Record a notice in the caller's transaction. `facts` have what the words of the kind ask for, nothing secret."""
    database.in_transaction()
    await repository.add(
        merchant=merchant_id,
        mode=mode,
        kind=kind,
        subject=subject,
        actor=actor,
        facts=json.dumps(facts),
        created_at=now,
    )


async def record_of_member(kind: str, account_id: str, facts: Mapping[str, str], now: datetime) -> None:
    """Record a notice about somebody for each merchant that they belong to, in the caller's transaction."""
    for each in await memberships_repository.merchants_of(account_id):
        await record(
            kind,
            merchant_id=each.merchant_id,
            mode="test" if each.standing in ("pending", "rejected") else "live",
            subject=account_id,
            actor=f"account:{account_id}",
            facts=facts,
            now=now,
        )


async def record_for_all(kind: str, *, subject: str, actor: str, facts: Mapping[str, str], now: datetime) -> None:
    """Record a notice for every approved merchant, in the caller's transaction."""
    database.in_transaction()
    await repository.add_for_all(kind=kind, subject=subject, actor=actor, facts=json.dumps(facts), now=now)


async def make_emails(public_url: str, now: datetime) -> int:
    """Make notices into emails in the outbox; return how many notices. Not inside a transaction."""
    for count in range(MADE_AT_ONCE):
        async with database.transaction():
            notice = await repository.take(list(WORDS))  # those of a newer version are left to its workers
            if notice is None:
                return count
            made = _letter(notice, public_url)
            words = WORDS[notice.kind]
            for recipient in await repository.recipients(notice.merchant, words.topic, words.told):
                await mail.enqueue_to_kept(recipient, made, now)
    return MADE_AT_ONCE


def _letter(notice: Notice, public_url: str) -> Letter:
    words, facts = WORDS[notice.kind], json.loads(notice.facts)
    page = words.page.format(subject=notice.subject, **facts)
    site = f"{public_url}/cabinet/{notice.merchant}/{notice.mode}"
    mode = " (test mode: no real money)" if notice.mode == "test" else ""
    body = (
        f"{words.what}\n\nMerchant: {{merchant_name}}{mode}\n{words.by}: {{who}}\nWhen: {{at}}\n\n{{link}}\n"
        + (f"\n{words.advice}\n" if words.advice else "")
        + "\nChoose which emails you get: {choices}\n"
    )
    return letter(
        Kind.NOTICE if notice.kind in LIMITED else Kind.MERCHANT,
        words.subject,
        body,
        ours={
            "at": notice.created_at,
            "link": f"{site}/{page}" if page else site,
            "choices": f"{public_url}/account/emails",
            **{name: text for name, text in facts.items() if name not in THEIRS},
        },
        merchant_name=notice.merchant_name,
        who=_who(notice),
        **{name: text for name, text in facts.items() if name in THEIRS},
    )


def _who(notice: Notice) -> str:
    """Who did it, by name; operators of the gateway are not named to merchants."""
    kind = notice.actor.partition(":")[0]
    if kind == "customer":
        return "A customer"
    if kind == "system":
        return "The gateway"
    if notice.who is None:
        return "An operator of the gateway" if kind in ("account", "cli") else "An API key"
    return f"API key {notice.who}" if kind == "api_key" else notice.who
