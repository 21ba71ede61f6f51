"""May this be paid? The signer's own look at the row and the approvals, whatever else has checked.

The database may have been edited by a stranger's hand: what is trusted is what operators approved, as a digest
over the payment, and the ceilings of the signer's own configuration (ceilings.py).
"""

from datetime import datetime

from app.alerts.service import Severity, raise_alert
from app.core import database
from app.core.database import Row
from app.networks.config import NetworkConfig
from app.networks.evm.address import normalise_address
from app.signer import transactions
from app.withdrawals import limits
from app.withdrawals.digest import Intent, digest
from app.withdrawals.service import set_waiting


class Refused(Exception):
    """Not to be paid. `held` until an operator has looked, or just not now. `kind` and `severity` are the alert's."""

    def __init__(self, kind: str, reason: str, *, held: bool, severity: Severity = "critical") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.held = held
        self.severity = severity


class NotToSign(Exception):
    """It isn't waiting to be signed any more: rejected, held, or signed by now."""


async def authorised(withdrawal_id: str, network: NetworkConfig, *, again: bool = False) -> Intent:
    """Lock a withdrawal and return what may be paid. Needs the caller's transaction.

    Raises NotToSign, Refused. With `again` for a bump: it was signed before, and counts in the day already.
    """
    database.in_transaction()
    row = await database.fetch_one(
        """
        SELECT id, status, held, network, asset, amount_raw, destination, destination_memo, digest, approvals_required,
            source
        FROM withdrawals WHERE id = $1 FOR UPDATE
        """,
        withdrawal_id,
    )
    if row is None or row["held"] or row["network"] != network.key:
        raise NotToSign
    if row["status"] != "approved" and not (again and row["status"] == "submitted"):
        raise NotToSign
    if not again and await transactions.signed_for([withdrawal_id]):
        raise NotToSign
    intent = Intent(
        row["id"], row["asset"], row["network"], row["amount_raw"], row["destination"], row["destination_memo"]
    )
    asset = network.asset(intent.asset)
    # The row's own figure may have been edited; the threshold of our configuration may not.
    required = max(row["approvals_required"], asset.approvals_required(intent.amount_raw) if asset is not None else 1)
    await _check_approvals(intent, row["digest"], required, again=again)
    _check_destination(intent)
    if not again:
        await _check_source(row)
        await _check_merchant(row["source"])
    return intent


async def refuse(withdrawal_id: str, refused: Refused, network: NetworkConfig, now: datetime) -> None:
    """Hold it if need be, say so where it is seen, and alert, all in a transaction of its own."""
    async with database.transaction():
        if refused.held:
            await database.execute("UPDATE withdrawals SET held = true WHERE id = $1 AND NOT held", withdrawal_id)
        await set_waiting(withdrawal_id, refused.reason)
        await raise_alert(
            severity=refused.severity,
            kind=f"signer_refused_{refused.kind}",
            dedupe_key=f"signer_refused:{refused.kind}:{withdrawal_id}",
            message=f"The signer refused {withdrawal_id}: {refused.reason}",
            details={"withdrawal": withdrawal_id, "network": network.key, "reason": refused.reason},
            now=now,
        )


async def _check_approvals(intent: Intent, stated: bytes, required: int, *, again: bool) -> None:
    """Enough different operators, of just these bytes. Whoever has joined the merchant since they approved does not
    count any more; in a bump they do: it pays nothing new, and whatever comes after it would wait."""
    rows = await database.fetch_all(
        """
        SELECT a.account, a.digest, withdrawal_conflict(w, a.account) AS conflict
        FROM approvals a JOIN withdrawals w ON w.id = a.withdrawal WHERE a.withdrawal = $1
        """,
        intent.id,
    )
    recomputed = digest(intent)
    if stated != recomputed or any(row["digest"] != recomputed for row in rows):
        raise Refused("digest", "it is not what was approved: it was changed afterwards", held=True)
    operators = {row["account"] for row in rows if again or row["conflict"] is None}
    if len(operators) < max(required, 1):
        raise Refused("approvals", "it has not been approved by enough operators", held=True)


async def _check_source(row: Row) -> None:
    """A deep reorganisation may have left a hole in the ledger that pays: later credits fill it first, and nothing
    is paid out until they have (contract, section 5), whatever was locked before."""
    available_raw = await database.fetch_value(
        "SELECT available_raw FROM ledger_heads WHERE owner = $1 AND network = $2 AND asset = $3",
        row["source"],
        row["network"],
        row["asset"],
    )
    if available_raw is None or available_raw < 0:
        raise Refused("below_zero", "the balance is below zero after a reorganisation", held=False)


async def _check_merchant(source: str) -> None:
    """What was approved before its merchant was suspended or banned waits, and goes out if that ends."""
    if stopped := await limits.stopped(source):
        raise Refused("merchant", f"the merchant is {stopped}", held=False, severity="warning")


def _check_destination(intent: Intent) -> None:
    try:
        sane = normalise_address(intent.destination) == intent.destination and intent.destination_memo is None
    except ValueError:
        sane = False
    if not sane:
        raise Refused("destination", "the destination is not an address of this network", held=True)
