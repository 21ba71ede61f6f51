"""Who has approved a payout or refund, who may, and who may not and why: all operators, for its page at the desk.

Where the signer has a file of approvers, it counts signatures by the passkeys of that file alone. Which those are, it
reports at its start (app/signer/approvers_repository.py); this compares them with the passkeys that operators have.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from app.core import database
from app.core.webauthn import AnswerRefused, credential_id, fingerprint
from app.withdrawals.conflicts import Conflict


class Signature(msgspec.Struct, frozen=True):
    """What an operator's passkey has signed of a payment. `counts`: the passkey is in the signer's file."""

    passkey_name: str
    signed_at: datetime
    counts: bool


class Hand(msgspec.Struct, frozen=True, kw_only=True):
    """One operator and one withdrawal. `approved_at` is None where they have not approved it, `conflict` where nothing
    keeps them from it. Without a second step an operator can't act at all. `counted_passkeys`: how many of their
    passkeys the signer's file names."""

    account_id: str
    name: str
    has_second_step: bool
    approved_at: datetime | None
    conflict: Conflict | None
    signature: Signature | None
    counted_passkeys: int

    @property
    def may_act(self) -> bool:
        """Whether nothing keeps this operator from deciding about it."""
        return self.conflict is None and self.has_second_step

    @property
    def may_approve(self) -> bool:
        """Whether an approval of theirs would count now, as far as it depends on them."""
        return self.approved_at is None and self.may_act


async def of_withdrawal(withdrawal_id: str, counted: Collection[str]) -> list[Hand]:
    """Every operator, those who have approved first, in their order; then by name. There are few: no paging.

    `counted` are the fingerprints of the passkeys in the signer's file.
    """
    # SQL: the function takes a whole row of another table.
    rows = await database.fetch_all(
        """
        SELECT p.id, p.name,
            p.totp_secret_sealed IS NOT NULL OR EXISTS (SELECT FROM passkeys k WHERE k.account = p.id),
            a.created_at, withdrawal_conflict(w, p.id), s.passkey_name, s.created_at, s.answer
        FROM withdrawals w CROSS JOIN accounts p
        LEFT JOIN approvals a ON a.withdrawal = w.id AND a.account = p.id
        LEFT JOIN approval_signatures s ON s.withdrawal = w.id AND s.account = p.id
        WHERE w.id = $1 AND p.is_operator ORDER BY a.id, s.id, lower(p.name), p.id
        """,
        withdrawal_id,
    )
    passkeys = await _counted_passkeys(counted)
    in_file = {each for of_one in passkeys.values() for each in of_one}
    return [
        Hand(
            account_id=account_id,
            name=name,
            has_second_step=has_second_step,
            approved_at=approved_at,
            conflict=conflict,
            signature=None if answer is None else Signature(passkey_name, signed_at, _is_one_of(answer, in_file)),
            counted_passkeys=len(passkeys.get(account_id, ())),
        )
        for account_id, name, has_second_step, approved_at, conflict, passkey_name, signed_at, answer in rows
    ]


async def _counted_passkeys(counted: Collection[str]) -> dict[str, list[bytes]]:
    """The ids of operators' passkeys that the signer's file names, by account."""
    if not counted:
        return {}
    # SQL: three columns of a join.
    rows = await database.fetch_all(
        "SELECT k.account, k.credential_id, k.public_key FROM passkeys k JOIN accounts p ON p.id = k.account"
        " WHERE p.is_operator"
    )
    found: defaultdict[str, list[bytes]] = defaultdict(list)
    for account_id, stored_id, public_key in rows:
        if fingerprint(public_key) in counted:
            found[account_id].append(stored_id)
    return dict(found)


def _is_one_of(answer: str, passkeys: Iterable[bytes]) -> bool:
    """Whether one of these passkeys says to have given an answer. The signer alone checks the signature."""
    try:
        return credential_id(answer) in passkeys
    except AnswerRefused:
        return False
