"""Refunds by the API: every state, event and refusal, and what they do to invoice and balance."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.settings import Settings
from app.merchants import service as merchants
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services, wire
from app.withdrawals.approvals import expire_stale
from tests.api.conftest import Integrator, NewIntegrator
from tests.books import assert_books, assert_invoices
from tests.factories.api_keys import api_key
from tests.factories.operators import Operator, operator
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import NETWORK, STRANGER, approve, balance, confirm, event_types, payout, revert, send

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"amount": "4.97"}, "REFUND_EXCEEDS_NET"),
    ({"amount": "0"}, "INVALID_INPUT"),
    ({"amount": "-1"}, "INVALID_INPUT"),
    ({"amount": "1e0"}, "INVALID_INPUT"),
    ({"amount": "1.0000001"}, "INVALID_INPUT"),
    ({"amount": 1}, "INVALID_INPUT"),
    ({"refund_address": "0x5aAeb6053f3E94C9b9A09f33669435E7Ef1BeAed"}, "INVALID_DESTINATION"),
    ({"refund_address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"}, "INVALID_DESTINATION"),
    ({"refund_address": "0x" + 40 * "0"}, "INVALID_DESTINATION"),
    ({"refund_address": ""}, "INVALID_INPUT"),
    ({"refund_address_memo": "42"}, "MEMO_NOT_ALLOWED"),
    ({"reason": "x" * 501}, "INVALID_INPUT"),
    ({"fee": "1"}, "INVALID_INPUT"),
]
"""Of an invoice over 5.00 USDT, which leaves 4.96 and a tail. Our own addresses come to these."""


class Shop:
    """A merchant's server, its customers' payments, and the operators behind them."""

    def __init__(self, integrator: Integrator, services: Services, driver: AnvilDriver, token: str) -> None:
        self.integrator, self.services, self.driver, self.token = integrator, services, driver, token
        self.requests_sent = 0

    async def paid_invoice(self) -> dict[str, Any]:
        made = await self.integrator.invoice(f"invoice-{clock.monotonic_s()}")
        await pay_on_chain(
            self.services, self.driver, self.token, made["pay_in"]["address"], int(made["pay_in"]["amount_raw"])
        )
        return await self.invoice(made["id"])

    async def invoice(self, invoice_id: str) -> dict[str, Any]:
        body: dict[str, Any] = (await self.integrator.get(f"/invoices/{invoice_id}")).json()
        return body

    async def request_refund(self, invoice_id: str, amount: str = "1.00", **fields: Any) -> Any:
        self.requests_sent += 1
        body = {"amount": amount, "refund_address": STRANGER, **fields}
        return await self.integrator.post(f"/invoices/{invoice_id}/refunds", body, once=f"refund-{self.requests_sent}")

    async def refund(self, invoice_id: str, amount: str = "1.00", **fields: Any) -> str:
        answer = await self.request_refund(invoice_id, amount, **fields)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def refused(self, invoice_id: str, amount: str = "1.00", **fields: Any) -> tuple[int, str]:
        answer = await self.request_refund(invoice_id, amount, **fields)
        return answer.status_code, answer.json()["error"]["code"]

    async def status(self, refund_id: str) -> str:
        return str((await self.integrator.get(f"/refunds/{refund_id}")).json()["status"])


@pytest.fixture
async def shop(
    integrator: Integrator, chain_settings: Callable[..., Settings], driver: AnvilDriver, token: str
) -> Shop:
    return Shop(integrator, wire(chain_settings()), driver, token)


@pytest.fixture
async def ops(shop: Shop) -> Operator:
    return await operator(shop.services.settings.data_keys)


def net_of(invoice: dict[str, Any]) -> str:
    """The invoice's whole net."""
    return f"{int(invoice['net_raw']) / 10**6:.6f}"


async def test_partial_refunds_roll_the_invoice_up(shop: Shop, ops: Operator) -> None:
    invoice = await shop.paid_invoice()
    merchant_id, net_raw = shop.integrator.merchant_id, int(invoice["net_raw"])

    first = (
        await shop.request_refund(invoice["id"], "2.00", reason="one came back", customer_visible_reason="sorry")
    ).json()
    assert first == first | {
        "status": "pending_approval",
        "invoice_id": invoice["id"],
        "deposit_id": None,
        "amount_raw": "2000000",
        "amount_decimal": "2.00",
        "fee_raw": "0",
        "asset": "USDT",
        "chain": "ethereum",
        "refund_address": STRANGER,
        "reason": "one came back",
        "customer_visible_reason": "sorry",
        "txid": None,
    }
    assert await balance(merchant_id) == (net_raw - 2_000_000, 2_000_000)
    assert (await shop.invoice(invoice["id"]))["status"] == "paid"

    await approve(shop.services, first["id"], ops)
    assert await shop.status(first["id"]) == "approved"
    await send(shop.services, first["id"])
    assert (await shop.integrator.get(f"/refunds/{first['id']}")).json()["txid"] is not None
    await confirm(shop.services, first["id"])
    await confirm(shop.services, first["id"])  # a signer that crashed reports it again

    assert await shop.status(first["id"]) == "confirmed"
    partly = await shop.invoice(invoice["id"])
    assert (partly["status"], partly["refunded_raw"]) == ("partially_refunded", "2000000")
    assert await balance(merchant_id) == (net_raw - 2_000_000, 0)

    rest = await shop.refund(invoice["id"], f"{(net_raw - 2_000_000) / 10**6:.6f}")
    await approve(shop.services, rest, ops)
    await send(shop.services, rest)
    await confirm(shop.services, rest)

    done = await shop.invoice(invoice["id"])
    assert (done["status"], done["refunded_raw"], done["credited_raw"]) == ("refunded", str(net_raw), str(net_raw))
    assert await balance(merchant_id) == (0, 0)
    assert await balance("platform:fees") == (40_000, 0)  # the service was rendered
    states = ["refund.pending_approval", "refund.approved", "refund.submitted", "refund.confirmed"]
    assert await event_types(first["id"]) == await event_types(rest) == states
    events = (await event_types(invoice["id"]))[-2:]
    assert events == ["invoice.partially_refunded", "invoice.refunded"]
    assert await shop.refused(invoice["id"], "0.01") == (409, "INVOICE_NOT_REFUNDABLE")
    await assert_books()
    await assert_invoices()


@pytest.mark.parametrize("end", ["rejected", "taken back", "failed", "expired"])
async def test_a_refund_that_is_not_paid_releases_its_amount(shop: Shop, ops: Operator, end: str) -> None:
    invoice = await shop.paid_invoice()
    refund_id = await shop.refund(invoice["id"], net_of(invoice))
    assert await shop.refused(invoice["id"], "0.01") == (400, "REFUND_EXCEEDS_NET")

    if end == "rejected":
        await shop.services.approvals.reject(refund_id, ops.id, "ask the customer again", clock.now())
    elif end == "taken back":
        await approve(shop.services, refund_id, ops)
        await shop.services.approvals.reject(refund_id, ops.id, "on second thoughts", clock.now())
    elif end == "failed":
        await approve(shop.services, refund_id, ops)
        await send(shop.services, refund_id)
        await revert(shop.services, refund_id)
    else:
        clock.shift(timedelta(days=7, minutes=1))
        assert await expire_stale(shop.services.withdrawals, 7, clock.now()) == 1

    current = (await shop.integrator.get(f"/refunds/{refund_id}")).json()
    status = "failed" if end == "failed" else "rejected"
    assert current["status"] == status
    assert current["status_reason"]
    assert (await event_types(refund_id))[-1] == f"refund.{status}"
    after = await shop.invoice(invoice["id"])
    assert (after["status"], after["refunded_raw"]) == ("paid", "0")
    assert await balance(shop.integrator.merchant_id) == (int(invoice["net_raw"]), 0)
    await shop.refund(invoice["id"], net_of(invoice))  # and may be requested again
    await assert_books()


async def test_what_is_refused(shop: Shop, token: str) -> None:
    invoice = await shop.paid_invoice()
    ours = invoice["pay_in"]["address"]
    traps = [({"refund_address": trap}, "INVALID_DESTINATION") for trap in (ours, ours.lower(), token)]
    for fields, code in [*REFUSED, *traps]:
        assert await shop.refused(invoice["id"], **fields) == (400, code), fields
    assert await balance(shop.integrator.merchant_id) == (int(invoice["net_raw"]), 0)
    assert (await shop.integrator.get("/refunds")).json()["data"] == []


async def test_only_paid_invoices_are_refunded(shop: Shop) -> None:
    made = await shop.integrator.invoice("unpaid")
    assert await shop.refused(made["id"]) == (409, "INVOICE_NOT_REFUNDABLE")
    await shop.integrator.post(f"/invoices/{made['id']}/cancel")
    assert await shop.refused(made["id"]) == (409, "INVOICE_NOT_REFUNDABLE")
    assert await shop.refused("INV-0000000000") == (404, "INVOICE_NOT_FOUND")


async def test_refunds_are_refused_when_paused_above_the_cap_or_above_the_balance(shop: Shop) -> None:
    invoice = await shop.paid_invoice()
    merchant_id = shop.integrator.merchant_id
    await merchants.pause("refunds", "an incident", clock.now())
    answer = await shop.request_refund(invoice["id"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "REFUNDS_DISABLED")
    assert "Retry-After" in answer.headers
    await payout(shop.services, merchant_id, "1.00", destination=STRANGER)  # another switch
    await merchants.resume("refunds")

    await merchants.set_daily_cap(merchant_id, NETWORK, "USDT", 2_500_000)
    assert await shop.refused(invoice["id"], "1.51") == (403, "DAILY_CAP_EXCEEDED")
    await shop.refund(invoice["id"], "1.50")
    await merchants.set_daily_cap(merchant_id, NETWORK, "USDT", None)

    await payout(shop.services, merchant_id, "2.00", destination=STRANGER)
    assert await shop.refused(invoice["id"], "1.00") == (400, "INSUFFICIENT_BALANCE")


async def test_parallel_refunds_never_exceed_the_net(shop: Shop) -> None:
    invoice, other = await shop.paid_invoice(), await shop.paid_invoice()
    answers = await asyncio.gather(*(shop.request_refund(invoice["id"], "1.00") for _ in range(25)))
    assert sorted(answer.status_code for answer in answers) == 4 * [201] + 21 * [400]
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 400} == {"REFUND_EXCEEDS_NET"}
    both_raw = int(invoice["net_raw"]) + int(other["net_raw"])
    assert await balance(shop.integrator.merchant_id) == (both_raw - 4_000_000, 4_000_000)
    await assert_books()


async def test_an_invoices_refunds_and_payouts_share_one_balance(shop: Shop) -> None:
    invoice = await shop.paid_invoice()
    merchant_id = shop.integrator.merchant_id
    answers = await asyncio.gather(
        *(shop.request_refund(invoice["id"], "1.00") for _ in range(8)),
        *(payout(shop.services, merchant_id, "1.00", destination=STRANGER) for _ in range(8)),
        return_exceptions=True,
    )
    refunds = [answer for answer in answers[:8] if answer.status_code == 201]  # type: ignore[union-attr]
    payouts = [answer for answer in answers[8:] if not isinstance(answer, BaseException)]
    assert len(refunds) + len(payouts) == 4
    available_raw, locked_raw = await balance(merchant_id)
    assert (available_raw, locked_raw) == (int(invoice["net_raw"]) - 4_000_000, 4_000_000)


async def test_a_replay_is_byte_for_byte(shop: Shop) -> None:
    invoice = await shop.paid_invoice()
    path, body = f"/invoices/{invoice['id']}/refunds", {"amount": "1.00", "refund_address": STRANGER}
    first = await shop.integrator.post(path, body, once="twice")
    again = await shop.integrator.post(path, body, once="twice")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await shop.integrator.post(path, body | {"amount": "2.00"}, once="twice")
    assert other.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY"
    keyless = await shop.integrator.post(path, body)
    assert keyless.json()["error"]["code"] == "IDEMPOTENCY_REQUIRED"
    assert await balance(shop.integrator.merchant_id) == (int(invoice["net_raw"]) - 1_000_000, 1_000_000)


async def test_lists_are_the_merchants_own_in_the_keys_mode(shop: Shop, new_integrator: NewIntegrator) -> None:
    invoice, other = await shop.paid_invoice(), await shop.paid_invoice()
    mine = [await shop.refund(invoice["id"], "0.50") for _ in range(3)]
    elsewhere = await shop.refund(other["id"], "0.50")
    ours = shop.integrator

    page = (await ours.get("/refunds", limit=3)).json()
    assert [refund["id"] for refund in page["data"]] == [elsewhere, mine[2], mine[1]]
    rest = (await ours.get("/refunds", limit=3, cursor=page["next_cursor"])).json()
    assert ([refund["id"] for refund in rest["data"]], rest["next_cursor"]) == ([mine[0]], None)
    of_invoice = (await ours.get(f"/invoices/{invoice['id']}/refunds")).json()["data"]
    assert [refund["id"] for refund in of_invoice] == mine[::-1]
    for filters, found in (
        ({"invoice_id": other["id"]}, [elsewhere]),
        ({"status": "confirmed"}, []),
        ({"status": "pending_approval", "asset": "USDT", "chain": "ethereum"}, [elsewhere, *mine[::-1]]),
        ({"asset": "ETH"}, []),
    ):
        assert [refund["id"] for refund in (await ours.get("/refunds", **filters)).json()["data"]] == found
    for filters in ({"status": "lost"}, {"colour": "red"}, {"limit": "0"}):
        assert (await ours.get("/refunds", **filters)).json()["error"]["code"] == "INVALID_INPUT"

    stranger = await new_integrator()
    live = await api_key(
        shop.services.settings.api_key_peppers,
        scopes=["refunds.write", "invoices.read"],
        mode="live",
        merchant_id=ours.merchant_id,
    )
    for reader in (stranger, Integrator(ours.merchant_id, live.id, live.full, ours.client)):
        assert (await reader.get("/refunds")).json() == {"data": [], "next_cursor": None}
        for path, code in (
            (f"/refunds/{mine[0]}", "REFUND_NOT_FOUND"),
            ("/refunds/RF-0000000000", "REFUND_NOT_FOUND"),
            (f"/invoices/{invoice['id']}/refunds", "INVOICE_NOT_FOUND"),
        ):
            answer = await reader.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)
        attempt = await reader.post(
            f"/invoices/{invoice['id']}/refunds", {"amount": "0.10", "refund_address": STRANGER}, once="theirs"
        )
        assert (attempt.status_code, attempt.json()["error"]["code"]) == (404, "INVOICE_NOT_FOUND")


async def test_a_key_needs_the_scope(shop: Shop) -> None:
    invoice = await shop.paid_invoice()
    key = await api_key(
        shop.services.settings.api_key_peppers,
        scopes=[Scope.REFUNDS_READ.value],
        merchant_id=shop.integrator.merchant_id,
    )
    reader = Integrator(shop.integrator.merchant_id, key.id, key.full, shop.integrator.client)
    assert (await reader.get("/refunds")).status_code == 200
    body = {"amount": "1.00", "refund_address": STRANGER}
    answer = await reader.post(f"/invoices/{invoice['id']}/refunds", body, once="x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "MISSING_SCOPE")


async def test_a_refund_that_is_confirmed_after_the_credit_was_reversed_is_a_part(shop: Shop, ops: Operator) -> None:
    """The payment may return, and the rest can be refunded then."""
    await shop.driver.mine(1)
    invoice = await shop.paid_invoice()
    refund_id = await shop.refund(invoice["id"], "2.00")
    await approve(shop.services, refund_id, ops)
    await send(shop.services, refund_id)
    await shop.driver.reorg(4)
    (watcher,) = shop.services.watchers()
    await watcher.tick()
    assert (await shop.invoice(invoice["id"]))["credited"] is False
    await confirm(shop.services, refund_id)
    after = await shop.invoice(invoice["id"])
    assert (after["status"], after["refunded_raw"]) == ("partially_refunded", "2000000")
    await assert_books()
    await assert_invoices()
    assert await database.fetch_value("SELECT count(*) FROM alerts WHERE kind = 'deep_reorg'") == 1
