"""What our accounts send, by our own scan of the blocks, on chains whose accounts don't count their transactions.

The watcher calls it in the transaction that stores the blocks. So the book tells in which block a transaction of ours
is, and that one is in no scanned block: the signer signs another attempt at a payment on nothing less. It also finds
what somebody else has signed with a key of ours, and what puts our money at risk, within the block.
"""

from collections.abc import Sequence
from datetime import datetime

from app.alerts.service import Severity, raise_alert
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import Block, Danger
from app.signer import account_book_repository as repository
from app.signer.account_book_repository import Known, SentIn
from app.withdrawals import repository as withdrawals

EXPIRED_MINED = "an attempt that no block could hold is in a block: nothing more is sent for it until that is settled"

DANGERS: dict[str, tuple[Severity, str]] = {
    "permission_changed": ("critical", "other keys than ours may sign for {address}, an account of ours"),
    "frozen": ("critical", "the issuer of {asset} has frozen {address}, an account of ours"),
    "unfrozen": ("info", "the issuer of {asset} has released {address}, an account of ours"),
    "destroyed": ("critical", "the issuer of {asset} has destroyed what {address}, an account of ours, held"),
    "paused": ("critical", "the issuer of {asset} has paused it: nobody can move it"),
    "unpaused": ("info", "the issuer of {asset} has ended its pause"),
    "replaced": ("critical", "the issuer of {asset} has put another contract in its place"),
}
"""The severity and the words of each danger. The kind of its alert is `danger_` and its name."""


class AccountBook:
    """The book of one network, for the watcher."""

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network

    async def record(self, blocks: Sequence[Block], now: datetime) -> None:
        """Store what our accounts have sent in these blocks, in the watcher's transaction, after all other locks.

        Raises a critical alert for each transaction that the signer did not store, and for one that no block could
        hold: what it pays is put on hold, and a later attempt is not sent any more (tracking.py). A move between our
        own addresses is under way again.
        """
        database.in_transaction()
        sent = [
            SentIn(one.txid, one.address, block.ref.height, block.ref.hash) for block in blocks for one in block.sent
        ]
        if sent:
            await repository.add(self._network.key, sent)
            known = await repository.lock_known(self._network.key, {one.txid for one in sent})
            for one in sent:
                if one.txid not in known:
                    await self._alert_unknown(one, now)
            for row in known.values():
                if row.is_dead:
                    await self._mined_after_all(row, now)
        for block in blocks:
            for danger in block.dangers:
                await self._alert_danger(danger, block, now)

    async def reverse_above(self, above_height: int) -> None:
        """Take back what the blocks above a height held, in the watcher's transaction."""
        database.in_transaction()
        await repository.forget_above(self._network.key, above_height)

    async def _mined_after_all(self, row: Known, now: datetime) -> None:
        if not row.withdrawals:
            await repository.revive(row.id)
        for withdrawal_id in row.withdrawals:
            await withdrawals.hold(withdrawal_id)
            await withdrawals.set_waiting(withdrawal_id, EXPIRED_MINED)
        await alert_mined_after_all(self._network.key, row.id, row.txid, row.withdrawals, now)

    async def _alert_unknown(self, sent: SentIn, now: datetime) -> None:
        whose = "the hot wallet" if sent.address == self._network.hot_wallet_address else "a deposit address"
        await raise_alert(
            severity="critical",
            kind="unknown_spend",
            dedupe_key=f"unknown_spend:{self._network.key}:{sent.txid}",
            message=f"{self._network.key}: {sent.address}, {whose} of ours, has sent what we did not sign",
            details={"network": self._network.key, "address": sent.address, "txid": sent.txid, "height": sent.height},
            now=now,
        )

    async def _alert_danger(self, danger: Danger, block: Block, now: datetime) -> None:
        severity, words = DANGERS[danger.kind]
        where = danger.address or danger.asset_symbol
        await raise_alert(
            severity=severity,
            kind=f"danger_{danger.kind}",
            dedupe_key=f"danger_{danger.kind}:{self._network.key}:{danger.txid}:{where}",
            message=f"{self._network.key}: {words.format(address=danger.address, asset=danger.asset_symbol)}",
            details={
                "network": self._network.key,
                "txid": danger.txid,
                "height": block.ref.height,
                "address": danger.address,
                "asset": danger.asset_symbol,
                "amount_raw": str(danger.amount_raw) if danger.amount_raw else None,
            },
            now=now,
        )


async def alert_mined_after_all(
    network: str, transaction_id: int, txid: str, withdrawal_ids: Sequence[str], now: datetime
) -> None:
    """Alert that a block holds a transaction that no block could hold by our rule."""
    await raise_alert(
        severity="critical",
        kind="expired_transaction_mined",
        dedupe_key=f"expired_transaction_mined:{transaction_id}",
        message=f"{network}: a transaction whose time was over in every final block is in a block after all",
        details={"network": network, "txid": txid, "withdrawal": ", ".join(withdrawal_ids) or None},
        now=now,
    )
