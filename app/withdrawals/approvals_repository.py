"""Statements on `approvals`, and those on withdrawals that wait for one."""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query.functions import Count
from piccolo.querystring import QueryString

from app.accounts.tables import Account
from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.withdrawals.states import Status
from app.withdrawals.tables import Approval, ApprovalSignature, Withdrawal


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A withdrawal that waits for operators."""

    id: str
    kind: str
    merchant: str | None
    network: str
    asset: str
    source: str
    amount_raw: int
    fee_raw: int
    destination: str
    requested_by: str
    held: bool
    approvals: int
    approvals_required: int
    created_at: datetime


class GivenApproval(msgspec.Struct, frozen=True):
    """An approval, and the conflict of interest that its operator has with the withdrawal by now."""

    account: str
    digest: bytes
    conflict: str | None


async def add(withdrawal_id: str, account_id: str, digest: bytes, now: datetime) -> None:
    """Insert an approval, in the caller's transaction.

    Raises UniqueViolationError where the operator has approved before, RestrictViolationError where a trigger refuses.
    """
    database.in_transaction()
    await _ADD.run(withdrawal=withdrawal_id, account=account_id, digest=digest, created_at=now)


_ADD = Command(insert(Approval))


async def has_approved(withdrawal_id: str, account_id: str) -> bool:
    """Whether an operator has approved a withdrawal before."""
    return await _HAS_APPROVED.first(withdrawal=withdrawal_id, account=account_id) is not None


_HAS_APPROVED = Statement(
    Approval.select(Approval.id).where(
        Approval.withdrawal == Param("withdrawal"), Approval.account == Param("account")
    ),
    int,
)


async def add_signature(
    withdrawal_id: str, account_id: str, digest: bytes, passkey_name: str, answer: str, now: datetime
) -> None:
    """Insert what a passkey has signed of an approval, in the caller's transaction. Raises UniqueViolationError where
    the operator has signed before."""
    database.in_transaction()
    await _ADD_SIGNATURE.run(
        withdrawal=withdrawal_id,
        account=account_id,
        digest=digest,
        passkey_name=passkey_name,
        answer=answer,
        created_at=now,
    )


_ADD_SIGNATURE = Command(insert(ApprovalSignature))


async def signatures(withdrawal_id: str) -> list[str]:
    """What passkeys have signed of a withdrawal's approvals: WebAuthn's answers as JSON, oldest first."""
    return await _SIGNATURES.all(withdrawal=withdrawal_id)


_SIGNATURES = Statement(
    ApprovalSignature.select(ApprovalSignature.answer)
    .where(ApprovalSignature.withdrawal == Param("withdrawal"))
    .order_by(ApprovalSignature.id),
    str,
)


async def operators_count(withdrawal_id: str) -> int:
    """How many operators have approved. An approval of an account that is no operator any more does not count."""
    return await _OPERATORS_COUNT.one(withdrawal=withdrawal_id)


_OPERATORS_COUNT = Statement(
    Approval.select(Count(distinct=[Approval.account], alias="operators")).where(
        Approval.withdrawal == Param("withdrawal"), WhereRaw("{}", Approval.account.is_operator)
    ),
    int,
)


async def given(withdrawal_id: str) -> list[GivenApproval]:
    """The approvals of a withdrawal."""
    # SQL, since the function takes a whole row of the joined table.
    rows = await database.fetch_all(
        """
        SELECT a.account, a.digest, withdrawal_conflict(w, a.account) AS conflict
        FROM approvals a JOIN withdrawals w ON w.id = a.withdrawal WHERE a.withdrawal = $1
        """,
        withdrawal_id,
    )
    return [GivenApproval(*row) for row in rows]


async def waiting() -> list[Waiting]:
    """Withdrawals that wait for operators, oldest first."""
    return await _WAITING.all()


_WAITING = Statement(
    Withdrawal.select(
        *(getattr(Withdrawal, name) for name in Waiting.__struct_fields__ if name != "approvals"),
        QueryString("(SELECT count(*) FROM approvals a WHERE a.withdrawal = {})", Withdrawal.id, alias="approvals"),
    )
    .where(Withdrawal.status == Status.PENDING_APPROVAL.value)
    .order_by(Withdrawal.created_at, Withdrawal.id),
    Waiting,
)


async def unsigned_of(account_id: str, since: datetime) -> list[str]:
    """Ids of withdrawals that an operator has approved or signed since a moment, and that no transaction is signed for:
    the ones that wait for operators or for the signer, in their order."""
    # SQL: a union of two tables.
    rows = await database.fetch_all(
        """
        SELECT id FROM withdrawals w WHERE status IN ('pending_approval', 'approved') AND (
            EXISTS (SELECT FROM approvals a WHERE a.withdrawal = w.id AND a.account = $1 AND a.created_at >= $2)
            OR EXISTS (
                SELECT FROM approval_signatures s WHERE s.withdrawal = w.id AND s.account = $1 AND s.created_at >= $2))
        ORDER BY id
        """,
        account_id,
        since,
    )
    return [row["id"] for row in rows]


async def waiting_since(before: datetime, limit: int) -> list[str]:
    """Ids of withdrawals that have waited for operators since before this time, oldest first."""
    return await _WAITING_SINCE.all(before=before, limit=limit)


_WAITING_SINCE = Statement(
    Withdrawal.select(Withdrawal.id)
    .where(Withdrawal.status == Status.PENDING_APPROVAL.value, Withdrawal.created_at <= Param("before"))
    .order_by(Withdrawal.created_at, Withdrawal.id),
    str,
    limited=True,
)


async def is_operator(account_id: str) -> bool:
    """Whether an account is an operator's."""
    return bool(await _IS_OPERATOR.first(id=account_id))


_IS_OPERATOR = Statement(Account.select(Account.is_operator).where(Account.id == Param("id")), bool)
