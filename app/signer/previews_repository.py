"""Statements on `withdrawal_previews`: what waiting withdrawals would cost, for the operators' pages."""

from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, insert
from app.signer.funds import Preview
from app.withdrawals.digest import Intent, digest
from app.withdrawals.tables import WithdrawalPreview


class ToPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawal that nothing is signed for, as the database has it, and when its preview was written; None where
    there is none yet."""

    id: str
    network: str
    asset: str
    amount_raw: int
    destination: str
    destination_memo: str | None
    digest: bytes
    looked_at: datetime | None

    @property
    def intent(self) -> Intent:
        """What an approval approves."""
        return Intent(self.id, self.asset, self.network, self.amount_raw, self.destination, self.destination_memo)

    @property
    def is_whole(self) -> bool:
        """Whether the row matches its digest: nobody has edited it."""
        return digest(self.intent) == self.digest


async def due(network: str, looked_before: datetime, limit: int) -> list[ToPreview]:
    """Withdrawals that wait for approval or a signature and have no preview, or one written before that moment: those
    without one first, then the oldest preview."""
    # SQL, since no foreign key leads from a withdrawal to its preview, and NOT EXISTS compares the joined row.
    rows = await database.fetch_all(
        """
        SELECT w.id, w.network, w.asset, w.amount_raw, w.destination, w.destination_memo, w.digest, p.looked_at
        FROM withdrawals w LEFT JOIN withdrawal_previews p ON p.withdrawal = w.id
        WHERE w.network = $1 AND w.status IN ('pending_approval', 'approved')
            AND (p.looked_at IS NULL OR p.looked_at < $2)
            AND NOT EXISTS (SELECT 1 FROM outgoing_payments o WHERE o.withdrawal = w.id)
        ORDER BY p.looked_at NULLS FIRST, w.created_at, w.id LIMIT $3
        """,
        network,
        looked_before,
        limit,
    )
    return [ToPreview(**row) for row in rows]


async def record(withdrawal_id: str, preview: Preview, now: datetime) -> None:
    """Store a withdrawal's preview in place of the last one."""
    await _RECORD.run(withdrawal=withdrawal_id, looked_at=now, **msgspec.structs.asdict(preview))


_COLUMNS = [column for column in WithdrawalPreview._meta.columns if column._meta.name != "withdrawal"]
_RECORD = Command(
    insert(WithdrawalPreview).on_conflict(
        target=WithdrawalPreview.withdrawal,
        action="DO UPDATE",
        values=_COLUMNS,
    )
)
