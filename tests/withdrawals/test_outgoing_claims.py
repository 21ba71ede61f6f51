"""Postgres keeps two attempts at one payment from both being possible, whatever a program writes."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from app.core import database
from app.wiring import Services
from tests.factories import outgoing
from tests.factories.merchants import terms
from tests.factories.operators import Operator, operator
from tests.factories.withdrawals import CUSTOMER, NETWORK, STRANGER, approve, fund, payout, sign

UNIQUE, REFUSED = asyncpg.UniqueViolationError, asyncpg.RestrictViolationError


@pytest.fixture
async def ops(services: Services) -> Operator:
    return await operator(services.settings.data_keys)


@pytest.fixture
async def payout_id(services: Services, ops: Operator) -> str:
    """An approved payout of 10 USDT."""
    merchant_id = (await terms(service_fee_bps=0)).merchant_id
    await fund(merchant_id, 100_000_000)
    requested = await payout(services, merchant_id)
    await approve(services, requested.id, ops)
    return requested.id


async def move(*coins: str, **fields: object) -> int:
    """Store a move of coins between our own addresses. Returns its id."""
    number = await database.fetch_value("SELECT count(*) FROM outgoing_transactions")
    made: dict[str, object] = {
        **{"network": NETWORK, "purpose": "sweep", "to_address": CUSTOMER, "asset": "ETH", "amount_raw": 100},
        **{"txid": f"0x{number}", "coins": coins, **fields},
    }
    return await outgoing.store(**made)  # type: ignore[arg-type]


async def set_status(id: int, status: str) -> None:
    await database.execute("UPDATE outgoing_transactions SET status = $2 WHERE id = $1", id, status)


async def test_a_claim_belongs_to_one_lineage_while_that_lives(services: Services) -> None:
    first = await move("a", "b")
    await move("c")
    with pytest.raises(UNIQUE, match="b is claimed by another one"):
        await move("b", "d")
    for status in ("submitted", "confirmed", "reverted"):
        await set_status(first, status)
        with pytest.raises(UNIQUE, match="is claimed by another one"):
            await move("b")
    await set_status(first, "replaced")
    second = await move("b")
    # And it can't come back to life beside the other one.
    with pytest.raises(UNIQUE, match="is claimed by another one"):
        await set_status(first, "submitted")
    await set_status(second, "replaced")
    await set_status(first, "submitted")


async def test_two_that_commit_at_once_do_not_both_claim(services: Services) -> None:
    """Each is inserted before the other one is committed."""
    both_inserted = asyncio.Barrier(2)

    async def store(*coins: str, txid: str) -> None:
        async with database.transaction():
            await move(*coins, txid=txid)
            await both_inserted.wait()

    outcomes = await asyncio.gather(
        *(
            asyncio.create_task(store(*coins, txid=coins[0]), context=contextvars.Context())
            for coins in (("a", "c"), ("b", "c"))
        ),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "UniqueViolationError"]
    assert await database.fetch_value("SELECT count(*) FROM outgoing_transactions") == 1


async def test_a_bump_claims_all_that_living_attempts_claim(services: Services) -> None:
    first = await move("a", "b")
    with pytest.raises(REFUSED, match="an attempt that it replaces claims b"):
        await move("a", "c", replaces=first)
    second = await move("a", "b", "c", replaces=first)
    with pytest.raises(REFUSED, match="an attempt that it replaces claims c"):
        await move("a", "b", "d", replaces=second)
    # What is no longer possible needs no exclusion.
    await set_status(first, "replaced")
    await set_status(second, "replaced")
    await move("d", replaces=second)


async def test_a_bump_keeps_its_payment(services: Services) -> None:
    coin, token = await move("a"), await move("b", asset="USDT")
    for changes in ({"to_address": STRANGER}, {"asset": "USDT"}, {"amount_raw": 101}):
        with pytest.raises(REFUSED, match="must keep its payments"):
            await move("a", replaces=coin, **changes)
    with pytest.raises(REFUSED, match="must keep its payments"):
        await move("b", asset="USDT", amount_raw=99, replaces=token)
    with pytest.raises(REFUSED, match="must keep its lineage"):
        await move("a", purpose="gas", replaces=coin)
    await move("a", amount_raw=99, replaces=coin)  # its fee comes out of its amount


async def test_a_withdrawal_has_one_lineage(services: Services, payout_id: str) -> None:
    first = await sign(payout_id)
    fields = {"purpose": "withdrawal", "withdrawal": payout_id, "asset": "USDT", "amount_raw": 10_000_000}
    with pytest.raises(UNIQUE, match="a transaction for it is signed"):
        await move("x", **fields)
    await set_status(first, "replaced")
    with pytest.raises(UNIQUE, match="a transaction for it is signed"):
        await move("x", **fields)
    with pytest.raises(REFUSED, match="not what was approved"):
        await move("x", **{**fields, "to_address": STRANGER})
    with pytest.raises(REFUSED, match="names it, and no other does"):
        await move("x", **{**fields, "purpose": "sweep"})
    with pytest.raises(REFUSED, match="names it, and no other does"):
        await move("x", purpose="withdrawal")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE outgoing_payments SET amount_raw = 1", "append-only"),
        ("DELETE FROM outgoing_payments", "append-only"),
        ("TRUNCATE outgoing_payments", "append-only"),
        ("UPDATE outgoing_claims SET claim = 'z'", "append-only"),
        ("DELETE FROM outgoing_claims", "append-only"),
        ("TRUNCATE outgoing_claims", "append-only"),
        ("DELETE FROM outgoing_transactions", "append-only"),
        *(
            (f"UPDATE outgoing_transactions SET {change}", "never changes")
            for change in ("form = '{}'", "fee_cap_raw = 1", "txid = '0x1'", "signed_bytes = '\\x01'", "nonce = 1")
        ),
    ],
)
async def test_what_was_signed_is_kept(services: Services, change: str, words: str) -> None:
    await move("a")
    with pytest.raises(REFUSED, match=words):
        await database.execute(change)


async def test_nothing_is_added_to_what_was_sent(services: Services) -> None:
    sent = await move("a")
    await set_status(sent, "submitted")
    payment = "INSERT INTO outgoing_payments (transaction, network, position, to_address, asset, amount_raw)"
    for late in (
        f"{payment} VALUES ({sent}, '{NETWORK}', 1, '{STRANGER}', 'ETH', 5)",
        f"INSERT INTO outgoing_claims (network, claim, transaction) VALUES ('{NETWORK}', 'z', {sent})",
    ):
        with pytest.raises(REFUSED, match="never changes"):
            await database.execute(late)


async def test_a_transaction_pays_and_claims_something(services: Services) -> None:
    bare = """
        INSERT INTO outgoing_transactions (id, lineage, network, purpose, txid, signed_bytes, fee_cap_raw, form, status,
            created_at) VALUES (7, 7, $1, 'gas', '0x7', '\\x00', 1, '{}', 'signed', now())
        """
    parts: list[Callable[[], Awaitable[object]]] = [
        lambda: database.execute(
            "INSERT INTO outgoing_payments (transaction, network, position, to_address, asset, amount_raw)"
            " VALUES (7, $1, 0, 'x', 'ETH', 5)",
            NETWORK,
        ),
        lambda: database.execute(
            "INSERT INTO outgoing_claims (network, claim, transaction) VALUES ($1, 'z', 7)", NETWORK
        ),
    ]
    for number in range(2):
        with pytest.raises(REFUSED, match="it pays nothing, or claims nothing"):
            async with database.transaction():
                await database.execute(bare, NETWORK)
                await parts[number]()
    async with database.transaction():
        await database.execute(bare, NETWORK)
        for part in parts:
            await part()
