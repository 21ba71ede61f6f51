"""A payout from request to its end: the balance, the refusals, and the events."""

import asyncio
from datetime import timedelta

import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code
from app.merchants import service as merchants
from app.wiring import Services
from app.withdrawals.repository import set_waiting, withdrawals_to_sign
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms
from tests.factories.operators import Operator, operator
from tests.factories.withdrawals import (
    CUSTOMER,
    NETWORK,
    approve,
    balance,
    confirm,
    event_types,
    fund,
    payout,
    revert,
    send,
)


@pytest.fixture
def chain_settings(chain_settings):  # type: ignore[no-untyped-def]
    """USDT payouts cost 0.10 and 50 bps, and are at least 1.00; above 100.00 two operators approve."""

    def make(**options: object):  # type: ignore[no-untyped-def]
        settings = chain_settings(**options)
        text = settings.networks_file.read_text()
        terms_of_usdt = (
            "decimals = 6\npayout_fee_flat_raw = 100000\npayout_fee_bps = 50\n"
            'payout_min_raw = "1000000"\napproval_threshold_raw = 100000000'
        )
        settings.networks_file.write_text(text.replace("decimals = 6", terms_of_usdt))
        return settings

    return make


@pytest.fixture
async def merchant_id(services: Services) -> str:
    """A merchant with 100 USDT."""
    merchant = await terms(service_fee_bps=0)
    await fund(merchant.merchant_id, 100_000_000)
    return merchant.merchant_id


@pytest.fixture
async def ops(services: Services) -> Operator:
    return await operator(services.settings.data_keys)


async def refused(services: Services, merchant_id: str, amount: str = "10.00", **fields: str) -> Code:
    with pytest.raises(ApiError) as refusal:
        await payout(services, merchant_id, amount, **fields)
    return refusal.value.code


async def test_amount_and_fee_are_locked_and_debited_on_confirmation(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    requested = await payout(services, merchant_id, "10.00", description="rent")
    assert (requested.status, requested.amount_raw, requested.fee_raw) == ("pending_approval", "10000000", "150000")
    assert await balance(merchant_id) == (89_850_000, 10_150_000)
    assert await withdrawals_to_sign(NETWORK) == []

    await approve(services, requested.id, ops)
    await set_waiting(requested.id, "the hot wallet is short of USDT")
    waiting = await services.withdrawal_reader.payout(merchant_id, "test", requested.id)
    assert waiting is not None
    assert waiting.waiting_reason == "the hot wallet is short of USDT"

    await send(services, requested.id)
    sent = await services.withdrawal_reader.payout(merchant_id, "test", requested.id)
    assert sent is not None
    assert (sent.status, sent.txid, sent.waiting_reason) == ("submitted", f"0x{requested.id}", None)

    await confirm(services, requested.id)
    await confirm(services, requested.id)  # a signer that crashed reports it again
    done = await services.withdrawal_reader.payout(merchant_id, "test", requested.id)
    assert done is not None
    assert done.status == "confirmed"
    assert done.settled_at is not None
    assert await balance(merchant_id) == (89_850_000, 0)
    assert await balance("platform:fees") == (150_000, 0)
    states = ("pending_approval", "approved", "submitted", "confirmed")
    assert await event_types(requested.id) == [f"payout.{state}" for state in states]


async def test_a_reverted_one_releases_everything(services: Services, merchant_id: str, ops: Operator) -> None:
    requested = await payout(services, merchant_id)
    await approve(services, requested.id, ops)
    await send(services, requested.id)
    await revert(services, requested.id)
    failed = await services.withdrawal_reader.payout(merchant_id, "test", requested.id)
    assert failed is not None
    assert (failed.status, failed.status_reason) == ("failed", "the transaction was reverted")
    assert await balance(merchant_id) == (100_000_000, 0)
    assert await balance("platform:fees") == (0, 0)
    assert (await event_types(requested.id))[-1] == "payout.failed"


async def test_the_merchant_cancels_while_nobody_has_decided(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    requested, other = await payout(services, merchant_id), await payout(services, merchant_id)
    cancelled = await services.payouts.cancel(merchant_id, "test", requested.id, clock.now())
    assert cancelled.status == "cancelled"
    assert await balance(merchant_id) == (89_850_000, 10_150_000)
    await approve(services, other.id, ops)
    for late in (requested.id, other.id):
        with pytest.raises(ApiError) as refusal:
            await services.payouts.cancel(merchant_id, "test", late, clock.now())
        assert refusal.value.code == Code.PAYOUT_NOT_CANCELLABLE


async def test_a_hundred_payouts_at_once_never_exceed_the_balance(services: Services, merchant_id: str) -> None:
    answers = await asyncio.gather(  # 9.145 with its fee: ten fit into 100
        *(payout(services, merchant_id, "9.00") for _ in range(100)), return_exceptions=True
    )
    refusals = [answer.code for answer in answers if isinstance(answer, ApiError)]
    assert refusals == [Code.INSUFFICIENT_BALANCE] * 90
    assert await balance(merchant_id) == (100_000_000 - 10 * 9_145_000, 10 * 9_145_000)


async def test_the_balance_must_cover_the_fee_too(services: Services, merchant_id: str) -> None:
    assert await refused(services, merchant_id, "100.00") == Code.INSUFFICIENT_BALANCE
    await payout(services, merchant_id, "99.402985")  # with 0.10 and 0.497015 it is 100.000000
    assert await balance(merchant_id) == (0, 100_000_000)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"destination": "0x70997970c51812dc3A010C7d01b50e0d17dc79C8"}, Code.INVALID_DESTINATION),
        ({"destination": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}, Code.INVALID_DESTINATION),
        ({"destination": "0x" + 40 * "0"}, Code.INVALID_DESTINATION),
        ({"destination_memo": "42"}, Code.MEMO_NOT_ALLOWED),
        ({"amount": "0.99"}, Code.AMOUNT_TOO_SMALL),
        ({"amount": "1.0000001"}, Code.INVALID_INPUT),
        ({"amount": "-1"}, Code.INVALID_INPUT),
        ({"asset": "DOGE"}, Code.INVALID_INPUT),
        ({"chain": "bitcoin"}, Code.INVALID_INPUT),
    ],
)
async def test_invalid_payouts_are_refused(
    services: Services, merchant_id: str, fields: dict[str, str], code: Code
) -> None:
    assert await refused(services, merchant_id, **fields) == code
    assert await balance(merchant_id) == (100_000_000, 0)


async def test_our_own_addresses_and_token_contracts_are_no_destinations(
    services: Services, merchant_id: str, token: str
) -> None:
    ours: AskedInvoice = await invoice(services, await terms(service_fee_bps=0))
    for trap in (ours.pay_in.address, ours.pay_in.address.lower(), token):
        assert await refused(services, merchant_id, destination=trap) == Code.INVALID_DESTINATION


async def test_a_cap_counts_over_a_rolling_day(services: Services, merchant_id: str) -> None:
    await merchants.set_daily_cap(merchant_id, NETWORK, "USDT", 25_000_000)
    first = await payout(services, merchant_id, "20.00")
    assert await refused(services, merchant_id, "5.01") == Code.DAILY_CAP_EXCEEDED
    await payout(services, merchant_id, "5.00")
    await services.payouts.cancel(merchant_id, "test", first.id, clock.now())
    clock.shift(timedelta(hours=12))
    await payout(services, merchant_id, "20.00")  # the cancelled one does not count
    clock.shift(timedelta(hours=12, seconds=1))
    await payout(services, merchant_id, "5.00")  # nor does what is a day old
    assert await refused(services, merchant_id, "1.00") == Code.DAILY_CAP_EXCEEDED


async def test_parallel_requests_do_not_pass_the_cap_together(services: Services, merchant_id: str) -> None:
    await merchants.set_daily_cap(merchant_id, NETWORK, "USDT", 10_000_000)
    answers = await asyncio.gather(*(payout(services, merchant_id, "3.00") for _ in range(12)), return_exceptions=True)
    assert sum(not isinstance(answer, ApiError) for answer in answers) == 3


async def test_paused_payouts(services: Services, merchant_id: str) -> None:
    await merchants.pause("payouts", "an incident", clock.now())
    assert await refused(services, merchant_id) == Code.PAYOUTS_DISABLED
    await merchants.resume("payouts")
    await payout(services, merchant_id)


async def test_a_requested_payout_is_immutable(services: Services, merchant_id: str) -> None:
    requested = await payout(services, merchant_id)
    for edit in (
        "amount_raw = 11000000",
        "fee_raw = 0",
        "destination = '0x0000000000000000000000000000000000000001'",
        "destination_memo = '1'",
        "network = 'ethereum:live'",
        "asset = 'ETH'",
        "digest = '\\x00'",
        "approvals_required = 0",
        "source = 'platform:fees'",
        "status = 'approved'",
        "status = 'submitted'",
        "status = 'confirmed'",
    ):
        with pytest.raises(Exception, match=r"never changes|does not become|0 of 1 approvals"):
            await database.execute(f"UPDATE withdrawals SET {edit} WHERE id = $1", requested.id)
    with pytest.raises(Exception, match="append-only"):
        await database.execute("DELETE FROM withdrawals WHERE id = $1", requested.id)
    assert await database.fetch_value("SELECT destination FROM withdrawals WHERE id = $1", requested.id) == CUSTOMER
