"""Balances and withdrawals for tests. No transaction is sent: the functions call the services as a signer does."""

from typing import Any

import msgspec

from app.core import clock, database, ids
from app.ledger import repository as ledger_repository
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId, Reference, State
from app.ledger.service import Posting
from app.payouts.service import NewPayout
from app.wiring import Services
from app.withdrawals.presentation import PayoutBody
from app.withdrawals.repository import requested, withdrawals_to_sign
from tests.factories import outgoing
from tests.factories.operators import Operator

CUSTOMER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
"""Anvil's second account: no address of the gateway."""

STRANGER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
"""EIP-55's first example: no address of the gateway, however large the pool is."""

NETWORK = "ethereum:test"


async def fund(merchant_id: str, amount_raw: int, asset: str = "USDT") -> None:
    """Credit a merchant as a deposit would."""
    async with database.transaction():
        chain = ChainId(owner=merchant_id, network=NETWORK, asset=asset)
        reference = Reference("deposit", ids.new_id(ids.DEPOSIT))
        await ledger.post([Posting(chain, "invoice_credit", amount_raw, 0, reference)], clock.now())


async def balance(owner: str, asset: str = "USDT") -> tuple[int, int]:
    """The available and the locked balance of a ledger, in minor units."""
    head = await ledger_repository.head(ChainId(owner=owner, network=NETWORK, asset=asset))
    state = head.state if head else State()
    return state.available_raw, state.locked_raw


async def payout(services: Services, merchant_id: str, amount: str = "10.00", **fields: str) -> PayoutBody:
    """A payout that the merchant has requested."""
    request: dict[str, Any] = {
        "asset": "USDT",
        "chain": "ethereum",
        "destination": CUSTOMER,
        "requested_by": "api_key:k",
        **fields,
    }
    body = await services.payouts.create(merchant_id, "test", NewPayout(amount=amount, **request), None, clock.now())
    return msgspec.json.decode(body, type=PayoutBody)


async def approve(services: Services, withdrawal_id: str, *by: Operator) -> None:
    """Approvals by these operators, each with a code not used before."""
    for one in by:
        await services.approvals.approve(withdrawal_id, one.id, one.next_code(), clock.now())


async def sign(withdrawal_id: str, *, nonce: int = 0) -> int:
    """Store a signed transaction as the signer does, in the caller's transaction. Returns its row id."""
    row = await requested(withdrawal_id)
    assert row is not None
    return await outgoing.store(
        network=row.network,
        withdrawal=withdrawal_id,
        to_address=row.destination,
        asset=row.asset,
        amount_raw=row.amount_raw,
        nonce=nonce,
        txid=f"0x{withdrawal_id}",
    )


async def send(services: Services, withdrawal_id: str) -> None:
    """Sign and send an approved withdrawal."""
    assert withdrawal_id in [waiting.id for waiting in await withdrawals_to_sign(NETWORK)]
    now = clock.now()
    async with database.transaction():
        row = await sign(withdrawal_id, nonce=abs(hash(withdrawal_id)) % 2**40)
        await database.execute("UPDATE outgoing_transactions SET status = 'submitted' WHERE id = $1", row)
        await services.withdrawals.mark_submitted(withdrawal_id, now)


async def confirm(services: Services, withdrawal_id: str) -> None:
    """The transaction is final on chain."""
    async with database.transaction():
        await services.withdrawals.confirm(withdrawal_id, clock.now())
        await _settle_transaction(withdrawal_id, "confirmed")


async def revert(services: Services, withdrawal_id: str) -> None:
    """The transaction was reverted on chain."""
    async with database.transaction():
        await services.withdrawals.fail(withdrawal_id, "the transaction was reverted", clock.now())
        await _settle_transaction(withdrawal_id, "reverted")


async def _settle_transaction(withdrawal_id: str, status: str) -> None:
    await database.execute(
        "UPDATE outgoing_transactions SET status = $2, settled_at = $3"
        " WHERE id IN (SELECT transaction FROM outgoing_payments WHERE withdrawal = $1)",
        withdrawal_id,
        status,
        clock.now(),
    )


async def event_types(subject_id: str) -> list[str]:
    """The events of a resource, in order."""
    rows = await database.fetch_all("SELECT type FROM events WHERE subject_id = $1 ORDER BY id", subject_id)
    return [row["type"] for row in rows]
