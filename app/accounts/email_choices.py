"""Which emails about their merchants a person wants. Emails about signing in and the account always come."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal, get_args

from app.accounts import email_choices_repository as repository
from app.accounts import people
from app.accounts import repository as accounts
from app.core import database

Topic = Literal["money", "keys", "team", "webhooks", "platform"]

TOPICS: tuple[Topic, ...] = get_args(Topic)

NAMES: Mapping[Topic, tuple[str, str]] = MappingProxyType(
    {
        "money": (
            "Payouts and refunds",
            "When one is confirmed, rejected or has failed, and when a customer names a return address.",
        ),
        "keys": ("API keys", "When one is made, rotated or revoked."),
        "team": ("The team", "When a member says that somebody else was signed in as them."),
        "webhooks": ("Webhooks", "When an endpoint is paused because it does not answer."),
        "platform": (
            "The gateway",
            "When new invoices, payouts or refunds are paused, when they go on, and when your programs call something "
            "of the API that will end.",
        ),
    }
)
"""What each topic is called, and when there is an email about it."""


async def wanted(account_id: str) -> Sequence[Topic]:
    """The topics about which somebody gets emails."""
    unwanted = await repository.unwanted(account_id)
    return [topic for topic in TOPICS if topic not in unwanted]


async def choose(account_id: str, topics: Collection[str], *, address: str, now: datetime) -> None:
    """Set the topics about which somebody gets emails; unknown ones are left out. Not inside a transaction."""
    unwanted = [topic for topic in TOPICS if topic not in topics]
    async with database.transaction():
        person = await accounts.lock(account_id)
        await repository.set_unwanted(account_id, unwanted, now)
        await people.record(person, "emails.chosen", address, now, unwanted=unwanted)
