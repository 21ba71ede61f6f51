"""Record a payout or refund that a merchant requests, by an API key or as a member: in one transaction, and only once
for an idempotency key."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from app.core import database
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.merchants.members import Member
from app.merchants.terms import Mode
from app.networks.config import Asset, NetworkConfig
from app.web import idempotency
from app.web.idempotency import Replay
from app.withdrawals import limits
from app.withdrawals.repository import Kind, NewWithdrawal
from app.withdrawals.service import WithdrawalService, announce

Step = Callable[[], Awaitable[None]]
"""A step of payouts or of refunds, inside the transaction of the request."""


class MerchantRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant requests, its amount and destination checked. Amounts are in minor units.

    `requested_by` is `api_key:…` or `account:ACC-…`; `by` is the member who requests, if it is not a key. `details`
    are for the audit log.
    """

    id: str
    kind: Kind
    merchant_id: str
    mode: Mode
    network: NetworkConfig
    asset: Asset
    amount_raw: int
    fee_raw: int
    destination: str
    requested_by: str
    by: Member | None
    replay: Replay | None
    details: dict[str, str]

    @property
    def withdrawal(self) -> NewWithdrawal:
        """The withdrawal that it becomes."""
        return NewWithdrawal(
            id=self.id,
            kind=self.kind,
            merchant_id=self.merchant_id,
            mode=self.mode,
            network=self.network.key,
            asset=self.asset.symbol,
            source=self.merchant_id,
            amount_raw=self.amount_raw,
            fee_raw=self.fee_raw,
            destination=self.destination,
            destination_memo=None,
            requested_by=self.requested_by,
            approvals_required=self.asset.approvals_required(self.amount_raw),
        )


async def request(
    withdrawals: WithdrawalService, new: MerchantRequest, *, check: Step, insert: Step, now: datetime
) -> bytes:
    """Lock amount and fee, record the request and return its JSON, the same bytes that a replay returns.

    `check` raises where the payout or refund may not be requested now; `insert` writes its own row. Both run in the
    transaction, with the ledger locked. Raises ReplayExists, DAILY_CAP_EXCEEDED, INSUFFICIENT_BALANCE too.
    """
    async with database.transaction():
        await ledger.lock([ChainId(owner=new.merchant_id, network=new.network.key, asset=new.asset.symbol)])
        if new.replay is not None:
            await idempotency.refuse_repeat(new.replay)
        await check()
        await limits.refuse_beyond_cap(new.merchant_id, new.network, new.asset, new.amount_raw, now)
        await withdrawals.request(new.withdrawal, now)
        await insert()
        if new.by is not None:
            await new.by.record(
                f"{new.kind}.requested",
                new.id,
                now,
                **new.details,
                asset=new.asset.symbol,
                amount_raw=str(new.amount_raw),
                destination=new.destination,
            )
        body = msgspec.json.encode(await withdrawals.record_event(new.id, now))
        if new.replay is not None:
            await idempotency.store(new.replay, 201, body, now)
    await announce()
    return body
