"""Every statement on `email_choices`."""

from collections.abc import Sequence
from datetime import datetime

from app.accounts.tables import EmailChoices
from app.core.statement import Command, Param, Statement, insert


async def unwanted(account_id: str) -> Sequence[str]:
    """The topics about which somebody wants no emails."""
    return await _UNWANTED.first(account=account_id) or []


_UNWANTED = Statement(EmailChoices.select(EmailChoices.unwanted).where(EmailChoices.account == Param("account")), list)


async def set_unwanted(account_id: str, topics: Sequence[str], now: datetime) -> None:
    """Set the topics about which somebody wants no emails."""
    await _SET_UNWANTED.run(account=account_id, unwanted=list(topics), changed_at=now)


_SET_UNWANTED = Command(
    insert(EmailChoices).on_conflict(
        target=EmailChoices.account, action="DO UPDATE", values=[EmailChoices.unwanted, EmailChoices.changed_at]
    )
)
