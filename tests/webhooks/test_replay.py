"""Sending again: one event, everything since a time; and the test event."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from app.core import clock, database
from app.core.errors import ApiError, Code
from app.core.settings import DataKeys
from app.webhooks import replay, service
from tests.factories.merchants import merchant
from tests.webhooks.receiving import Receiver, dispatching
from tests.webhooks.test_delivery import ACTOR, FAILED, enabled_endpoint, happen, until_recorded, until_settled


async def test_a_test_event_goes_only_to_its_endpoint_whatever_the_filter(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys, "/mine", ("invoice.paid",))
    await enabled_endpoint(receiver, merchant_id, keys, "/other")
    async with dispatching(receiver, keys):
        await replay.send_test_event(merchant_id=merchant_id, mode="test", endpoint_id=endpoint.id, actor=ACTOR)
        await until_settled()
        await receiver.until(lambda: len(receiver.requests) == 1)
    (request,) = receiver.requests
    assert request.path == "/mine"
    assert request.headers["swap-pay-event-type"] == "webhook.test"
    assert Webhook(endpoint.secret).verify(request.body, request.headers)["data"]["webhook_id"] == endpoint.id


async def test_everything_since_a_time_is_sent_again_in_order_with_what_was_missed(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 7)
    await enabled_endpoint(receiver, merchant_id, keys, "/early")
    async with dispatching(receiver, keys):
        await happen(merchant_id, 5)
        await until_settled()
        clock.shift(timedelta(minutes=30))
        since = clock.now()
        for _ in range(10):
            await happen(merchant_id, 1, "invoice.created")
            await happen(merchant_id, 1, "invoice.paid")
        await until_settled()
        late = await enabled_endpoint(receiver, merchant_id, keys, "/late", ("invoice.paid",))
        count = await replay.redeliver_since(
            merchant_id=merchant_id, mode="test", endpoint_id=late.id, since=since, actor=ACTOR
        )
        await until_settled()
        assert count == 10
        await happen(merchant_id)
        await until_settled()
        again = await replay.redeliver_since(
            merchant_id=merchant_id, mode="test", endpoint_id=late.id, since=since, actor=ACTOR
        )
        await until_settled()
    assert again == 11
    asked_for = [*range(7, 26, 2), 26]
    assert sorted(request.seq for request in receiver.at("/late")) == sorted(asked_for * 2)
    chain = {request.seq: int(request.headers["swap-pay-previous-seq"]) for request in receiver.at("/late")}
    assert chain == dict(zip(asked_for, [0, *asked_for], strict=False))


async def test_one_event_is_sent_again_to_one_endpoint_or_to_all(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await enabled_endpoint(receiver, merchant_id, keys, "/all")
    other = await enabled_endpoint(receiver, merchant_id, keys, "/created", ("invoice.created",))
    async with dispatching(receiver, keys):
        event_id = await happen(merchant_id)
        await until_settled()
        call: dict[str, Any] = {"merchant_id": merchant_id, "mode": "test", "event_id": event_id, "actor": ACTOR}
        assert await replay.redeliver_event(**call, endpoint_id=None) == 1
        await until_settled()
        assert await replay.redeliver_event(**call, endpoint_id=other.id) == 1
        await until_settled()
    assert (len(receiver.at("/all")), len(receiver.at("/created"))) == (2, 1)
    assert len({request.body for request in receiver.requests}) == 1


async def test_a_replay_does_not_wait_for_the_back_off(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    await enabled_endpoint(receiver, merchant_id, keys)
    receiver.always(FAILED)
    async with dispatching(receiver, keys):
        event_id = await happen(merchant_id)
        await until_recorded(1)
        await replay.redeliver_event(
            merchant_id=merchant_id, mode="test", event_id=event_id, endpoint_id=None, actor=ACTOR
        )
        await until_recorded(2, timeout_s=20)  # the next attempt by itself comes after 27 s


async def test_events_of_another_merchant_are_not_replayed(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    async with dispatching(receiver, keys):
        event_id = await happen(merchant_id)
        await until_settled()
    stranger = await merchant()
    now: datetime = clock.now()
    for attempt, code in (
        (
            replay.redeliver_event(merchant_id=stranger, mode="test", event_id=event_id, endpoint_id=None, actor=ACTOR),
            Code.EVENT_NOT_FOUND,
        ),
        (
            replay.redeliver_event(
                merchant_id=merchant_id, mode="live", event_id=event_id, endpoint_id=None, actor=ACTOR
            ),
            Code.EVENT_NOT_FOUND,
        ),
        (
            replay.redeliver_since(merchant_id=stranger, mode="test", endpoint_id=endpoint.id, since=now, actor=ACTOR),
            Code.WEBHOOK_NOT_FOUND,
        ),
        (
            replay.send_test_event(merchant_id=stranger, mode="test", endpoint_id=endpoint.id, actor=ACTOR),
            Code.WEBHOOK_NOT_FOUND,
        ),
        (service.list_deliveries(stranger, "test", endpoint.id, status=None, limit=1), Code.WEBHOOK_NOT_FOUND),
        (
            service.enable_endpoint(merchant_id=stranger, mode="test", endpoint_id=endpoint.id, actor=ACTOR),
            Code.WEBHOOK_NOT_FOUND,
        ),
        (
            service.delete_endpoint(merchant_id=merchant_id, mode="live", endpoint_id=endpoint.id, actor=ACTOR),
            Code.WEBHOOK_NOT_FOUND,
        ),
    ):
        with pytest.raises(ApiError) as refused:
            await attempt
        assert refused.value.code == code
    assert await database.fetch_value("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'") == 0
