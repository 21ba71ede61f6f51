"""`/webhooks`: the endpoints that receive a merchant's events, and the deliveries to them (contract, section 6)."""

from typing import Any, cast

import msgspec
from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET

from app.api.guard import actor_of, requires
from app.api.operation import PAGE, Parameter, Parameters, described
from app.api.v1.webhook_bodies import (
    DELIVERY,
    WEBHOOK,
    WEBHOOK_WITH_SECRET,
    DeliveryPage,
    QueuedDeliveries,
    QueuedTestEvent,
    ReplayRequest,
    RotationRequest,
    WebhookBody,
    WebhookChange,
    WebhookPage,
    WebhookRequest,
    WebhookWithSecret,
    delivery_body,
    webhook_body,
    webhook_with_secret,
)
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core.errors import Code, invalid
from app.web import idempotency
from app.web.idempotency import Replay
from app.web.once import Once
from app.web.paging import next_cursor, parse_page
from app.web.routing import Router
from app.webhooks import endpoints_repository, replay, service
from app.webhooks.service import RevealedSecret
from app.wiring import Services

_WEBHOOK_ID = {"webhook_id": Parameter(description="`WH-` and ten characters.", example=WEBHOOK.id)}
_NOT_FOUND = [Code.WEBHOOK_NOT_FOUND]


def routes(services: Services) -> Router:
    """The routes of `/webhooks`."""
    keys, outbound = services.settings.data_keys, services.outbound

    @post(
        "/",
        status_code=201,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Create a webhook endpoint",
            "The secret is shown this once.",
            example=WEBHOOK_WITH_SECRET,
            body_example={"url": WEBHOOK.url, "description": WEBHOOK.description, "event_types": WEBHOOK.event_types},
            creates=True,
        ),
        operation_id="createWebhook",
    )
    async def create(
        request: Request[Any, Any, Any], principal: Principal, data: WebhookRequest
    ) -> Response[WebhookWithSecret]:
        once = Once(
            request,
            merchant_id=principal.merchant_id,
            mode=principal.mode,
            endpoint="POST /webhooks",
            body=data,
            sealed_with=keys,
        )

        async def create_and_store(record: Replay) -> bytes:
            body = b""

            async def store(created: RevealedSecret) -> None:
                nonlocal body
                body = msgspec.json.encode(webhook_with_secret(created))
                await idempotency.store(record, 201, body, created.endpoint.created_at)

            await service.create_endpoint(
                merchant_id=principal.merchant_id,
                mode=principal.mode,
                url=data.url,
                description=data.description,
                event_types=data.event_types,
                actor=actor_of(request),
                outbound=outbound,
                keys=keys,
                on_created=store,
            )
            return body

        return cast(Response[WebhookWithSecret], await once.answer(create_and_store))

    @get(
        "/",
        opt=requires(Scope.WEBHOOKS_READ)
        | described(
            "List webhook endpoints",
            example=WebhookPage([WEBHOOK], None),
            query={
                "implicit": Parameter(
                    description="`true` lists the endpoints that invoices created, instead of your own.",
                    schema={"type": "boolean"},
                    example=False,
                ),
                **PAGE,
            },
        ),
        operation_id="listWebhooks",
    )
    async def page(principal: Principal, parameters: Parameters) -> WebhookPage:
        requested = parse_page(parameters)
        implicit = parameters.get("implicit", "false")
        if implicit not in ("true", "false"):
            raise invalid("implicit", "must be true or false")
        found = await endpoints_repository.list_endpoints(
            principal.merchant_id,
            principal.mode,
            implicit=implicit == "true",
            limit=requested.limit,
            place=requested.place,
        )
        return WebhookPage([webhook_body(endpoint) for endpoint in found], next_cursor(found.following))

    @get(
        "/{webhook_id:str}",
        opt=requires(Scope.WEBHOOKS_READ)
        | described("Retrieve a webhook endpoint", example=WEBHOOK, path=_WEBHOOK_ID, errors=_NOT_FOUND),
        operation_id="getWebhook",
    )
    async def read(principal: Principal, webhook_id: str) -> WebhookBody:
        return webhook_body(await service.get_endpoint(principal.merchant_id, principal.mode, webhook_id))

    @patch(
        "/{webhook_id:str}",
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Change a webhook endpoint",
            "Fields that are left out stay. `status` pauses, disables or enables it.",
            example=WEBHOOK,
            body_example={"description": WEBHOOK.description},
            path=_WEBHOOK_ID,
            errors=_NOT_FOUND,
        ),
        operation_id="updateWebhook",
    )
    async def change(
        request: Request[Any, Any, Any], principal: Principal, webhook_id: str, data: WebhookChange
    ) -> WebhookBody:
        endpoint: dict[str, Any] = {
            "merchant_id": principal.merchant_id,
            "mode": principal.mode,
            "endpoint_id": webhook_id,
        }
        actor = actor_of(request)
        changed = await service.update_endpoint(
            **endpoint,
            url=None if data.url is UNSET else data.url,
            description=None if data.description is UNSET else data.description,
            event_types=None if data.event_types is UNSET else data.event_types,
            actor=actor,
            outbound=outbound,
        )
        set_status = {
            "enabled": service.enable_endpoint,
            "paused": service.pause_endpoint,
            "disabled": service.disable_endpoint,
        }
        if data.status is not UNSET:
            changed = await set_status[data.status](**endpoint, actor=actor)
        return webhook_body(changed)

    @delete(
        "/{webhook_id:str}",
        status_code=204,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described("Delete a webhook endpoint", path=_WEBHOOK_ID, errors=_NOT_FOUND),
        operation_id="deleteWebhook",
    )
    async def remove(request: Request[Any, Any, Any], principal: Principal, webhook_id: str) -> None:
        await service.delete_endpoint(
            merchant_id=principal.merchant_id,
            mode=principal.mode,
            endpoint_id=webhook_id,
            actor=actor_of(request),
        )

    @post(
        "/{webhook_id:str}/rotate-secret",
        status_code=200,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Rotate the secret",
            "Both secrets sign for the number of hours that you choose.",
            example=WEBHOOK_WITH_SECRET,
            body_example={"overlap_hours": 24},
            path=_WEBHOOK_ID,
            errors=_NOT_FOUND,
        ),
        operation_id="rotateWebhookSecret",
    )
    async def rotate(
        request: Request[Any, Any, Any], principal: Principal, webhook_id: str, data: RotationRequest
    ) -> WebhookWithSecret:
        rotated = await service.rotate_secret(
            merchant_id=principal.merchant_id,
            mode=principal.mode,
            endpoint_id=webhook_id,
            overlap_hours=data.overlap_hours,
            actor=actor_of(request),
            keys=keys,
        )
        return webhook_with_secret(rotated)

    @post(
        "/{webhook_id:str}/test",
        status_code=202,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Send a test event",
            "Sends a `webhook.test` event to this endpoint only.",
            example=QueuedTestEvent(DELIVERY.event_id),
            path=_WEBHOOK_ID,
            errors=_NOT_FOUND,
        ),
        operation_id="testWebhook",
    )
    async def test(request: Request[Any, Any, Any], principal: Principal, webhook_id: str) -> QueuedTestEvent:
        event_id = await replay.send_test_event(
            merchant_id=principal.merchant_id,
            mode=principal.mode,
            endpoint_id=webhook_id,
            actor=actor_of(request),
        )
        return QueuedTestEvent(str(event_id))

    @post(
        "/{webhook_id:str}/enable",
        status_code=200,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Enable a webhook endpoint",
            "The count of failures starts again at zero. Waiting deliveries are sent in order.",
            example=WEBHOOK,
            path=_WEBHOOK_ID,
            errors=_NOT_FOUND,
        ),
        operation_id="enableWebhook",
    )
    async def enable(request: Request[Any, Any, Any], principal: Principal, webhook_id: str) -> WebhookBody:
        return webhook_body(
            await service.enable_endpoint(
                merchant_id=principal.merchant_id,
                mode=principal.mode,
                endpoint_id=webhook_id,
                actor=actor_of(request),
            )
        )

    @post(
        "/{webhook_id:str}/replay",
        status_code=202,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Replay events since a time",
            "Sends every event since then that this endpoint subscribes to, whether it was delivered or not.",
            example=QueuedDeliveries(12),
            body_example={"since": "2026-01-31T00:00:00Z"},
            path=_WEBHOOK_ID,
            errors=_NOT_FOUND,
        ),
        operation_id="replayWebhook",
    )
    async def replay_since(
        request: Request[Any, Any, Any], principal: Principal, webhook_id: str, data: ReplayRequest
    ) -> QueuedDeliveries:
        if data.since.tzinfo is None:
            raise invalid("since", "must be an RFC 3339 time such as 2026-01-31T09:30:00Z")
        return QueuedDeliveries(
            await replay.redeliver_since(
                merchant_id=principal.merchant_id,
                mode=principal.mode,
                endpoint_id=webhook_id,
                since=data.since,
                actor=actor_of(request),
            )
        )

    @get(
        "/{webhook_id:str}/deliveries",
        opt=requires(Scope.WEBHOOKS_READ)
        | described(
            "List deliveries",
            "Newest event first, each with all its attempts.",
            example=DeliveryPage([DELIVERY], None),
            path=_WEBHOOK_ID,
            errors=_NOT_FOUND,
            query={
                "status": Parameter(
                    description="Deliveries in this state.",
                    schema={"title": "DeliveryStatus", "enum": ["pending", "delivered", "dead"]},
                    example="dead",
                ),
                **PAGE,
            },
        ),
        operation_id="listDeliveries",
    )
    async def deliveries(principal: Principal, parameters: Parameters, webhook_id: str) -> DeliveryPage:
        requested = parse_page(parameters, by_seq=True)
        status = parameters.get("status")
        if status not in (None, "pending", "delivered", "dead"):
            raise invalid("status", "must be pending, delivered or dead")
        found = await service.list_deliveries(
            principal.merchant_id,
            principal.mode,
            webhook_id,
            status=status,
            limit=requested.limit,
            place=requested.place,
        )
        return DeliveryPage([delivery_body(delivery) for delivery in found], next_cursor(found.following))

    return Router(
        "/webhooks",
        route_handlers=[create, page, read, change, remove, rotate, test, enable, replay_since, deliveries],
        tags=["Webhooks"],
    )
