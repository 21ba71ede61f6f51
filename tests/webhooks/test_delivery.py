"""From the committed fact to the merchant's server: fan-out, retries, pausing, fairness."""

import asyncio
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from app.core import clock, database, redis
from app.core.settings import DataKeys
from app.events import service as event_service
from app.webhooks import (
    claims_repository,
    deliveries_repository,
    endpoints_repository,
    pausing,
    replay,
    service,
    signing,
)
from app.webhooks.delivery import DELIVERIES_CHANNEL
from app.webhooks.service import Actor
from tests.factories.events import record_event
from tests.factories.merchants import make_member
from tests.factories.webhooks import MadeEndpoint, make_endpoint
from tests.services import empty_redis
from tests.webhooks.receiving import OK, Delivered, Receiver, dispatching, response

ACTOR = Actor("account:ACC-0000000000", "192.0.2.1")
FAILED = response(500, body="not today")


async def enabled_endpoint(
    receiver: Receiver, merchant_id: str, keys: DataKeys, path: str = "/hook", types: tuple[str, ...] = ()
) -> MadeEndpoint:
    return await make_endpoint(
        merchant_id=merchant_id,
        mode="test",
        url=receiver.url(path),
        keys=keys,
        now=clock.now(),
        event_types=types,
    )


async def happen(merchant_id: str, count: int = 1, type: str = "invoice.paid", override: str | None = None) -> str:
    """Record events and announce them. Returns the id of the last."""
    event_id = None
    for _ in range(count):
        event_id = await record_event(
            merchant_id=merchant_id, mode="test", type=type, now=clock.now(), override_url=override
        )
    await event_service.announce()
    return str(event_id)


async def recorded_attempts() -> int:
    count: int = await database.fetch_value("SELECT count(*) FROM webhook_attempts")
    return count


async def until_recorded(attempts: int, timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while await recorded_attempts() < attempts:
            await asyncio.sleep(0.02)


async def until_numbered() -> None:
    """Wait until every event has a number, and with it its deliveries."""
    async with asyncio.timeout(30):
        while await database.fetch_value("SELECT 1 FROM events WHERE seq IS NULL LIMIT 1"):
            await asyncio.sleep(0.02)


async def until_settled(timeout_s: float = 30) -> None:
    """Wait until no delivery is pending or in flight."""
    async with asyncio.timeout(timeout_s):
        while await database.fetch_value(
            """
            SELECT 1 FROM events WHERE seq IS NULL
            UNION ALL SELECT 1 FROM webhook_deliveries WHERE status = 'pending'
            """
        ):
            await asyncio.sleep(0.02)


async def test_an_event_arrives_signed_and_is_the_very_bytes_that_the_query_shows(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    async with dispatching(receiver, keys):
        event_id = await happen(merchant_id)
        await receiver.until(lambda: len(receiver.requests) == 1)

    request = receiver.requests[0]
    assert request.body == (await event_service.get(merchant_id, "test", event_id)).body
    Webhook(endpoint.secret).verify(request.body, request.headers)
    stamp = int(request.headers["webhook-timestamp"])
    assert request.headers["swap-pay-signature"] == signing.swap_pay_signature(stamp, request.body, [endpoint.secret])
    assert request.headers["swap-pay-event-id"] == event_id
    assert request.headers["swap-pay-event-type"] == "invoice.paid"
    assert request.headers["user-agent"] == "Swap-Pay-Webhooks/1"
    assert request.headers["content-type"] == "application/json"
    (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status=None, limit=9)
    assert (delivery.status, delivery.attempt_count) == ("delivered", 1)
    assert delivery.attempts[0].response_excerpt == b"ok"


async def test_each_delivery_names_the_previous_one_of_its_endpoint(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await enabled_endpoint(receiver, merchant_id, keys, "/all")
    await enabled_endpoint(receiver, merchant_id, keys, "/paid", ("invoice.paid",))
    async with dispatching(receiver, keys):
        for _ in range(3):
            await happen(merchant_id, 2, "invoice.created")
            await happen(merchant_id, 1, "invoice.paid")
            await asyncio.sleep(0.05)  # several batches
        await until_settled()

    def chain(path: str) -> list[tuple[int, int]]:
        return sorted((int(r.headers["swap-pay-previous-seq"]), r.seq) for r in receiver.at(path))

    assert chain("/all") == [(seq - 1, seq) for seq in range(1, 10)]
    assert chain("/paid") == [(0, 3), (3, 6), (6, 9)]


async def test_events_of_an_invoice_with_its_own_webhook_go_only_there(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    first = await enabled_endpoint(receiver, merchant_id, keys, "/mine")
    async with dispatching(receiver, keys):
        await happen(merchant_id, 2, override=receiver.url("/invoice"))
        await happen(merchant_id, 1)
        await until_settled()

    assert [request.seq for request in receiver.at("/mine")] == [3]
    assert sorted(request.seq for request in receiver.at("/invoice")) == [1, 2]
    for request in receiver.at("/invoice"):  # a receiver that verifies one verifies the other
        Webhook(first.secret).verify(request.body, request.headers)
    assert len(await endpoints_repository.list_endpoints(merchant_id, "test", implicit=True, limit=9)) == 1
    assert len(await endpoints_repository.list_endpoints(merchant_id, "test", implicit=False, limit=9)) == 1


async def test_disabled_and_foreign_endpoints_get_nothing(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await make_endpoint(
        merchant_id=merchant_id,
        mode="test",
        url=receiver.url("/disabled"),
        keys=keys,
        now=clock.now(),
        status="disabled",
    )
    await make_endpoint(merchant_id=merchant_id, mode="live", url=receiver.url("/live"), keys=keys, now=clock.now())
    await enabled_endpoint(receiver, merchant_id, keys)
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_settled()
    assert [request.path for request in receiver.requests] == ["/hook"]


async def test_ten_attempts_by_the_schedule_then_dead_then_replayed(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    receiver.always(FAILED)
    async with dispatching(receiver, keys):
        event_id = await happen(merchant_id)
        for attempt, delay_s in enumerate([30, 120, 600, 1800, 3600, 10800, 21600, 43200, 86400], start=1):
            await until_recorded(attempt)
            (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status=None, limit=9)
            assert delivery.status == "pending"
            assert delivery.next_attempt_at is not None
            waits_s = (delivery.next_attempt_at - clock.now()).total_seconds()
            assert 0.9 * delay_s - 5 <= waits_s <= 1.1 * delay_s
            clock.shift(timedelta(seconds=waits_s - 5))
            await redis.publish(DELIVERIES_CHANNEL)
            await asyncio.sleep(0.05)
            assert await recorded_attempts() == attempt, "tried too early"
            clock.shift(timedelta(seconds=6))
            await redis.publish(DELIVERIES_CHANNEL)
        await until_recorded(10)
        (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status="dead", limit=9)
        assert [attempt.response_status for attempt in delivery.attempts] == [500] * 10
        assert delivery.next_attempt_at is None

        receiver.always(OK)
        await replay.redeliver_event(
            merchant_id=merchant_id, mode="test", event_id=event_id, endpoint_id=None, actor=ACTOR
        )
        await until_settled()
    (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status="delivered", limit=9)
    assert [attempt.number for attempt in delivery.attempts] == list(range(1, 12))
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


async def test_retry_after_is_honoured(valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    receiver.always(response(503, "Retry-After: 900\r\n"))
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_recorded(1)
    (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status="pending", limit=9)
    assert delivery.next_attempt_at is not None
    assert 890 < (delivery.next_attempt_at - clock.now()).total_seconds() <= 900


async def test_status_410_disables_the_endpoint_and_keeps_waiting_deliveries(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await make_member(merchant_id=merchant_id, role="owner", email="owner@shop.example", now=clock.now())
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    receiver.always(response(410))
    await happen(merchant_id, 9)
    async with dispatching(receiver, keys):
        await until_settled()
    view = await service.get_endpoint(merchant_id, "test", endpoint.id)
    assert (view.status, view.status_reason) == ("disabled", "gone")
    dead = await service.list_deliveries(merchant_id, "test", endpoint.id, status="dead", limit=10)
    assert len(dead) == 9
    assert {attempt.response_status for delivery in dead for attempt in delivery.attempts} == {410}
    assert len(receiver.requests) < 9, "pending deliveries were sent"
    assert "410" in await database.fetch_value("SELECT subject FROM mail_outbox")


async def test_a_redirect_is_a_failure(valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)
    receiver.always(response(302, f"Location: {receiver.url('/elsewhere')}\r\n"))
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_recorded(1)
    assert [request.path for request in receiver.requests] == ["/hook"]
    assert await database.fetch_value("SELECT status FROM webhook_deliveries") == "pending"


async def test_twenty_failures_pause_exactly_and_enabling_delivers_all_in_order(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await make_member(merchant_id=merchant_id, role="admin", email="admin@shop.example", now=clock.now())
    await make_member(merchant_id=merchant_id, role="viewer", email="viewer@shop.example", now=clock.now())
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    receiver.always(FAILED)
    async with dispatching(receiver, keys), dispatching(receiver, keys):
        await happen(merchant_id, 60)
        await until_recorded(20)
        await asyncio.sleep(0.5)
        assert len(receiver.requests) == await recorded_attempts() == 20, "a delivery was sent before the job paused it"
        paused = await asyncio.gather(*(pausing.pause_failing(clock.now()) for _ in range(3)))
        assert sum(paused) == 1
        view = await service.get_endpoint(merchant_id, "test", endpoint.id)
        assert (view.status, view.status_reason, view.consecutive_failures) == ("paused", "failures", 20)
        assert view.stopped_by == "HTTP 500"
        assert [stopped.id for stopped in await endpoints_repository.list_stopped(merchant_id, "test")] == [endpoint.id]
        assert await deliveries_repository.count_waiting(merchant_id, "test", endpoint.id) == 60
        clock.shift(timedelta(days=3))
        await happen(merchant_id)
        await asyncio.sleep(1.2)
        assert len(receiver.requests) == 20, "a paused endpoint was sent to"

        now_open, most_open = 0, 0

        async def unhurried(_: Delivered) -> bytes:
            nonlocal now_open, most_open
            now_open += 1
            most_open = max(most_open, now_open)
            await asyncio.sleep(0.005)
            now_open -= 1
            return OK

        receiver.answers["/hook"] = unhurried
        await service.enable_endpoint(merchant_id=merchant_id, mode="test", endpoint_id=endpoint.id, actor=ACTOR)
        await until_settled()

    assert [request.seq for request in receiver.requests[20:]] == list(range(1, 62))
    assert most_open == 1, "events sent two at a time may arrive out of order"
    view = await service.get_endpoint(merchant_id, "test", endpoint.id)
    assert (view.status, view.consecutive_failures) == ("enabled", 0)
    letters = await database.fetch_all("SELECT recipient FROM mail_outbox")
    assert [letter["recipient"] for letter in letters] == ["admin@shop.example"]
    actions = await database.fetch_all("SELECT action FROM audit_entries ORDER BY id")
    assert [entry["action"] for entry in actions] == ["webhook.paused", "webhook.enabled"]


async def test_a_success_resets_the_count(valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    async with dispatching(receiver, keys):
        receiver.always(FAILED)
        await happen(merchant_id, 19)
        await until_recorded(19)
        assert (await service.get_endpoint(merchant_id, "test", endpoint.id)).consecutive_failures == 19
        receiver.always(OK)
        await happen(merchant_id)
        await until_recorded(20)
        assert (await service.get_endpoint(merchant_id, "test", endpoint.id)).consecutive_failures == 0


async def test_a_failing_event_does_not_hold_up_later_ones(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)

    async def refuse_second(request: Delivered) -> bytes:
        return FAILED if request.seq == 2 else OK

    receiver.answers["/hook"] = refuse_second
    async with dispatching(receiver, keys):
        await happen(merchant_id, 10)
        await until_recorded(10)
    delivered = await database.fetch_value("SELECT count(*) FROM webhook_deliveries WHERE status = 'delivered'")
    assert delivered == 9


async def test_hanging_endpoints_do_not_hold_up_healthy_ones(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    hung = asyncio.Event()

    async def hang(_: Delivered) -> bytes:
        await hung.wait()
        return FAILED

    for number in range(5):
        await enabled_endpoint(receiver, merchant_id, keys, f"/hanging-{number}", ("invoice.created",))
        receiver.answers[f"/hanging-{number}"] = hang
    await enabled_endpoint(receiver, merchant_id, keys, "/healthy", ("invoice.paid",))
    async with dispatching(receiver, keys, concurrency=32):
        await happen(merchant_id, 50, "invoice.created")
        await receiver.until(lambda: len(receiver.requests) >= 20)
        for _ in range(10):
            already = len(receiver.at("/healthy"))
            started_s = clock.monotonic_s()
            await happen(merchant_id)
            await receiver.until_received(already + 1, "/healthy")
            assert clock.monotonic_s() - started_s < 5, "half of the time for which an attempt may hang"
        assert all(len(receiver.at(f"/hanging-{number}")) == 4 for number in range(5))
        hung.set()


async def test_never_more_than_four_at_once_at_one_endpoint(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)
    now_open, most_open = 0, 0

    async def slow(_: Delivered) -> bytes:
        nonlocal now_open, most_open
        now_open += 1
        most_open = max(most_open, now_open)
        await asyncio.sleep(0.02)
        now_open -= 1
        return OK

    receiver.answers["/hook"] = slow
    async with dispatching(receiver, keys), dispatching(receiver, keys):
        await happen(merchant_id, 60)
        await until_settled()
    assert most_open == claims_repository.MAX_IN_FLIGHT_PER_ENDPOINT == 4
    assert sorted(request.seq for request in receiver.requests) == list(range(1, 61)), "each once"


async def test_an_unreadable_secret_is_a_visible_error_until_it_is_rotated(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    other = await enabled_endpoint(receiver, merchant_id, keys, "/other", ("invoice.created",))
    await database.execute(
        """
        UPDATE webhook_endpoints SET secret_sealed = o.secret_sealed FROM webhook_endpoints o
        WHERE webhook_endpoints.id = $1 AND o.id = $2
        """,
        endpoint.id,
        other.id,
    )
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_recorded(1)
        assert not receiver.requests
        (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status="pending", limit=9)
        assert delivery.attempts[0].error == "secret_unreadable"
        rotated = await service.rotate_secret(
            merchant_id=merchant_id,
            mode="test",
            endpoint_id=endpoint.id,
            overlap_hours=24,
            actor=ACTOR,
            keys=keys,
        )
        clock.shift(timedelta(minutes=1))
        await until_settled()
    clock.unshift()
    Webhook(rotated.secret)
    request = receiver.requests[0]
    stamp = int(request.headers["webhook-timestamp"])
    assert request.headers["swap-pay-signature"] == signing.swap_pay_signature(stamp, request.body, [rotated.secret])


async def test_a_rotation_signs_with_both_until_the_overlap_ends(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    rotated = await service.rotate_secret(
        merchant_id=merchant_id, mode="test", endpoint_id=endpoint.id, overlap_hours=2, actor=ACTOR, keys=keys
    )
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_settled()
        clock.shift(timedelta(hours=2, seconds=1))
        await happen(merchant_id)
        await until_settled()
    during, after = receiver.requests
    for secret in (endpoint.secret, rotated.secret):
        Webhook(secret).verify(during.body, during.headers)
    assert during.headers["swap-pay-signature"].count("v1=") == 2
    assert after.headers["swap-pay-signature"].count("v1=") == 1
    sealed = await database.fetch_value("SELECT secret_sealed FROM webhook_endpoints")
    assert endpoint.secret not in sealed
    assert rotated.secret not in sealed


async def test_recorded_attempts_name_no_internal_address(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await make_endpoint(
        merchant_id=merchant_id, mode="test", url="https://10.1.2.3/hook", keys=keys, now=clock.now()
    )
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_recorded(1)
    (delivery,) = await service.list_deliveries(merchant_id, "test", endpoint.id, status="pending", limit=9)
    assert delivery.attempts[0].error == "refused_target"
    assert "10." not in delivery.attempts[0].detail


async def test_stopping_lets_attempts_end_and_gives_back_the_rest(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)

    stopping = asyncio.Event()

    async def slow(_: Delivered) -> bytes:
        await stopping.wait()
        return OK

    receiver.answers["/hook"] = slow
    async with dispatching(receiver, keys):
        await happen(merchant_id, 20)
        await until_numbered()
        await receiver.until(lambda: len(receiver.requests) == 4)
        asyncio.get_running_loop().call_later(0.3, stopping.set)  # the dispatcher is stopped before
    assert await recorded_attempts() == len(receiver.requests) == 4
    assert await database.fetch_value("SELECT count(*) FROM webhook_deliveries WHERE claimed_until IS NOT NULL") == 0
    assert await deliveries_repository.count_waiting(merchant_id, "test", endpoint.id) == 16
    async with dispatching(receiver, keys):
        await until_settled()


async def test_a_flushed_redis_loses_nothing(valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)
    async with dispatching(receiver, keys):
        for _ in range(5):
            await happen(merchant_id, 5)
            await empty_redis()
        await until_settled()
    assert sorted(request.seq for request in receiver.requests) == list(range(1, 26))


@pytest.mark.parametrize("url", [None, "redis://127.0.0.1:1/0"], ids=["never opened", "nobody listens"])
async def test_without_redis_polling_delivers(
    merchant_id: str, keys: DataKeys, receiver: Receiver, url: str | None
) -> None:
    if url is not None:
        redis.open_client(url)
    try:
        await enabled_endpoint(receiver, merchant_id, keys)
        async with dispatching(receiver, keys):
            await asyncio.sleep(0.2)  # after the first poll
            await happen(merchant_id, 3)
            await until_settled(5)
    finally:
        await redis.close_client()
    assert len(receiver.requests) == 3


async def test_a_wake_up_beats_the_poll(valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_settled()
        latencies_s = []
        for number in range(2, 12):
            started_s = clock.monotonic_s()
            await happen(merchant_id)
            await receiver.until_received(number)
            latencies_s.append(clock.monotonic_s() - started_s)
    assert sorted(latencies_s)[5] < 0.3


async def test_a_finished_delivery_is_not_read_again(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)
    await enabled_endpoint(receiver, merchant_id, keys, "/failing")
    receiver.always(FAILED, "/failing")
    async with dispatching(receiver, keys):
        await happen(merchant_id, 9)
        await until_recorded(18)
    assert await claims_repository.due(now=clock.now()) == (False, False)
    clock.shift(timedelta(seconds=25))  # the retries come at 30 s, less a tenth
    assert await claims_repository.due(now=clock.now()) == (False, False)
    clock.shift(timedelta(seconds=claims_repository.LEASE_S - 25))
    assert (await claims_repository.claim(slots=9, failing=False, now=clock.now())).groups == []
    assert await claims_repository.due(now=clock.now()) == (False, True)
    assert await database.fetch_value("SELECT count(*) FROM webhook_queues WHERE due_at IS NULL") == 1
