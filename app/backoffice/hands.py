"""Who has approved a payout or refund, who may, and who may not and why: all operators, for its page at the desk."""

from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.withdrawals.conflicts import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """One operator and one withdrawal. `approved_at` is None where they have not approved it, `conflict` where nothing
    keeps them from it. Without TOTP an operator can't act at all."""

    account_id: str
    name: str
    has_second_step: bool
    approved_at: datetime | None
    conflict: Conflict | None

    @property
    def may_approve(self) -> bool:
        """Whether an approval of theirs would count now, as far as it depends on them."""
        return self.approved_at is None and self.conflict is None and self.has_second_step


async def of_withdrawal(withdrawal_id: str) -> list[Hand]:
    """Every operator, those who have approved first, in their order; then by name. There are few: no paging."""
    # SQL: the function takes a whole row of another table.
    rows = await database.fetch_all(
        """
        SELECT p.id, p.name,
            p.totp_secret_sealed IS NOT NULL OR EXISTS (SELECT FROM passkeys k WHERE k.account = p.id),
            a.created_at, withdrawal_conflict(w, p.id)
        FROM withdrawals w CROSS JOIN accounts p
        LEFT JOIN approvals a ON a.withdrawal = w.id AND a.account = p.id
        WHERE w.id = $1 AND p.is_operator ORDER BY a.id, lower(p.name), p.id
        """,
        withdrawal_id,
    )
    return [
        Hand(
            account_id=account_id,
            name=name,
            has_second_step=has_second_step,
            approved_at=approved_at,
            conflict=conflict,
        )
        for account_id, name, has_second_step, approved_at, conflict in rows
    ]
