"""Endpoints as their merchant manages them."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.core import clock, crypto, database
from app.core.errors import ApiError, Code
from app.core.settings import DataKeys
from app.webhooks import endpoints_repository, retention, secrets, service
from tests.webhooks.receiving import OK, Receiver, dispatching, response
from tests.webhooks.test_delivery import (
    ACTOR,
    enabled_endpoint,
    happen,
    until_numbered,
    until_recorded,
    until_settled,
)


def made(merchant_id: str, keys: DataKeys, receiver: Receiver, **changes: Any) -> dict[str, Any]:
    """The arguments of a valid new endpoint."""
    good = {
        "merchant_id": merchant_id,
        "mode": "test",
        "url": receiver.url(),
        "description": "the shop",
        "event_types": ["invoice.paid"],
        "actor": ACTOR,
        "outbound": receiver.client,
        "keys": keys,
    }
    return good | changes


async def test_a_new_endpoint_reveals_its_secret_once_and_keeps_it_sealed(
    merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    revealed = await service.create_endpoint(**made(merchant_id, keys, receiver))
    endpoint_id, secret = revealed.endpoint.id, revealed.secret
    assert secret not in repr(await service.get_endpoint(merchant_id, "test", endpoint_id))
    row = await database.fetch_one("SELECT * FROM webhook_endpoints")
    assert row is not None
    assert secret not in str(dict(row))
    assert secrets.open_sealed(keys, endpoint_id, row["secret_sealed"]) == secret
    with pytest.raises(crypto.Undecryptable):
        secrets.open_sealed(keys, "WH-0000000000", row["secret_sealed"])
    entry = await database.fetch_one("SELECT * FROM audit_entries")
    assert entry is not None
    assert (entry["action"], entry["actor"], entry["subject"]) == ("webhook.created", ACTOR.name, endpoint_id)
    assert secret not in entry["details"]


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://shop.example/hook"},
        {"url": "https://10.0.0.1/hook"},
        {"url": "https://user:pw@shop.example/"},
        {"url": "https://localhost.localdomain/"},
        {"url": "https://169.254.169.254/latest"},
        {"event_types": ["invoice.paid", "invoice.lost"]},
        {"event_types": ["webhook.test"]},
        {"description": "x" * 501},
        {"description": "nul\0"},
    ],
    ids=str,
)
async def test_bad_endpoints_are_refused(
    merchant_id: str, keys: DataKeys, receiver: Receiver, changes: dict[str, Any]
) -> None:
    with pytest.raises(ApiError) as refused:
        await service.create_endpoint(**made(merchant_id, keys, receiver, **changes))
    assert refused.value.code == Code.INVALID_INPUT
    assert refused.value.message.startswith(next(iter(changes)))
    assert await database.fetch_value("SELECT count(*) FROM webhook_endpoints") == 0


async def test_the_number_of_endpoints_is_limited_for_concurrent_requests(
    merchant_id: str, keys: DataKeys, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_ENDPOINTS", 3)
    results = await asyncio.gather(
        *(service.create_endpoint(**made(merchant_id, keys, receiver)) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, ApiError) for result in results) == 5
    assert len(await endpoints_repository.list_endpoints(merchant_id, "test", implicit=False, limit=9)) == 3


async def test_changes_apply_to_pending_and_later_deliveries(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys, "/old")
    where: dict[str, Any] = {"merchant_id": merchant_id, "mode": "test", "endpoint_id": endpoint.id, "actor": ACTOR}
    async with dispatching(receiver, keys):
        paused = await service.pause_endpoint(**where)
        assert (paused.status, paused.status_reason) == ("paused", "merchant")
        await happen(merchant_id, 2, "invoice.created")
        await until_numbered()
        changed = await service.update_endpoint(
            **where,
            url=receiver.url("/new"),
            description=None,
            event_types=["invoice.paid"],
            outbound=receiver.client,
        )
        assert changed.event_types == ("invoice.paid",)
        await happen(merchant_id, 1, "invoice.created")
        await happen(merchant_id, 1, "invoice.paid")
        await until_numbered()
        await asyncio.sleep(0.1)
        assert not receiver.requests
        await service.enable_endpoint(**where)
        await until_settled()
    assert [(request.path, request.seq) for request in receiver.requests] == [("/new", 1), ("/new", 2), ("/new", 4)]


async def test_disabling_makes_waiting_deliveries_dead_and_enabling_starts_again(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    where: dict[str, Any] = {"merchant_id": merchant_id, "mode": "test", "endpoint_id": endpoint.id, "actor": ACTOR}
    receiver.always(response(503))
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_recorded(1)
        await service.disable_endpoint(**where)
        assert len(await service.list_deliveries(merchant_id, "test", endpoint.id, status="dead", limit=9)) == 1
        await happen(merchant_id)
        await until_numbered()
        receiver.always(OK)
        assert (await service.enable_endpoint(**where)).consecutive_failures == 0
        await happen(merchant_id)
        await until_settled()
    assert [request.seq for request in receiver.requests] == [1, 3]


async def test_a_deleted_endpoint_is_gone_and_gets_nothing(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver
) -> None:
    endpoint = await enabled_endpoint(receiver, merchant_id, keys)
    where: dict[str, Any] = {"merchant_id": merchant_id, "mode": "test", "endpoint_id": endpoint.id, "actor": ACTOR}
    await service.delete_endpoint(**where)
    async with dispatching(receiver, keys):
        await happen(merchant_id)
        await until_settled()
    assert not receiver.requests
    with pytest.raises(ApiError) as refused:
        await service.enable_endpoint(**where)
    assert refused.value.code == Code.WEBHOOK_NOT_FOUND


async def test_retention_deletes_finished_events_and_no_waiting_ones(
    valkey: str, merchant_id: str, keys: DataKeys, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    endpoint = await enabled_endpoint(receiver, merchant_id, keys, types=("invoice.paid",))
    async with dispatching(receiver, keys):
        await happen(merchant_id, 10)
        await happen(merchant_id, 3, "invoice.created")  # no endpoint was due these events
        await happen(merchant_id, 2, override=receiver.url("/invoice"))
        await until_settled()
        await service.pause_endpoint(merchant_id=merchant_id, mode="test", endpoint_id=endpoint.id, actor=ACTOR)
        await happen(merchant_id, 2)
        await until_numbered()
    clock.shift(timedelta(days=91))
    async with dispatching(receiver, keys):
        await happen(merchant_id, 1, "invoice.created")
        await until_numbered()
    assert await retention.purge_events(clock.now(), 90) == 15
    seqs = await database.fetch_all("SELECT seq FROM events ORDER BY seq")
    assert [row["seq"] for row in seqs] == [16, 17, 18]
    assert await database.fetch_value("SELECT count(*) FROM webhook_deliveries") == 2
    assert await database.fetch_value("SELECT count(*) FROM webhook_attempts") == 0
    assert await retention.purge_implicit_endpoints(clock.now(), 90) == 1
    assert len(await endpoints_repository.list_endpoints(merchant_id, "test", implicit=False, limit=9)) == 1
