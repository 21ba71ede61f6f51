"""`/events`: every event, delivered or not, as the same bytes that a webhook sends."""

from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from app.api.guard import actor_of, requires
from app.api.operation import PAGE, NextCursor, Parameter, Parameters, described
from app.api.v1 import examples
from app.api.v1.event_bodies import EventBody
from app.api.v1.webhook_bodies import QueuedDeliveries
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core.errors import Code, invalid
from app.events import repository as events
from app.events import service as event_service
from app.web.paging import next_cursor, parse_page, parse_seq
from app.web.routing import Router
from app.webhooks import replay
from app.wiring import Services


class EventPage(msgspec.Struct, frozen=True):
    """Events, newest first; with `after_seq` oldest first, and then `next_cursor` is always null."""

    data: list[EventBody]
    next_cursor: NextCursor


class RedeliveryRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where to send it again: one endpoint, or all that it was sent to."""

    webhook_id: Annotated[str | None, Meta(description="If left out, all endpoints that it was sent to.")] = None


EVENT = EventBody(
    event_id=examples.EVENT_ID,
    seq=1042,
    type="invoice.paid",
    created_at=examples.PAID_INVOICE.paid_at or "",
    merchant_id="MCH-5D0T8QH1ZB",
    mode="test",
    data={"invoice_id": examples.PAID_INVOICE.id, **msgspec.to_builtins(examples.PAID_INVOICE)},
)

_EVENT_ID = {"event_id": Parameter(description="The event's UUID.", example=EVENT.event_id)}


def routes(_: Services) -> Router:
    """The routes of `/events`."""

    @get(
        "/",
        opt=requires(Scope.EVENTS_READ)
        | described(
            "List events",
            "All that happened, delivered or not: newest first, or with `after_seq` oldest first from there on.",
            example=EventPage([EVENT], None),
            query={
                "after_seq": Parameter(
                    description="Events after this `seq`, oldest first; not together with `cursor`.",
                    schema={"type": "integer", "minimum": 0},
                    example=1041,
                ),
                **PAGE,
            },
        ),
        operation_id="listEvents",
    )
    async def page(principal: Principal, parameters: Parameters) -> Response[EventPage]:
        requested = parse_page(parameters, by_seq=True)
        if "after_seq" in parameters:
            if "cursor" in parameters:
                raise invalid("cursor", "can't be combined with after_seq")
            after_seq = parse_seq(parameters, "after_seq", least=0)
            found = await events.list_after(
                principal.merchant_id, principal.mode, after_seq=after_seq or 0, limit=requested.limit
            )
            return _page([event.body for event in found], None)
        found = await events.list_newest(
            principal.merchant_id, principal.mode, limit=requested.limit, place=requested.place
        )
        return _page([event.body for event in found], next_cursor(found.following))

    @get(
        "/{event_id:str}",
        opt=requires(Scope.EVENTS_READ)
        | described("Retrieve an event", example=EVENT, path=_EVENT_ID, errors=[Code.EVENT_NOT_FOUND]),
        operation_id="getEvent",
    )
    async def read(principal: Principal, event_id: str) -> Response[EventBody]:
        event = await event_service.get(principal.merchant_id, principal.mode, event_id)
        return cast(Response[EventBody], Response(event.body, media_type="application/json"))

    @post(
        "/{event_id:str}/redeliver",
        status_code=202,
        opt=requires(Scope.WEBHOOKS_WRITE)
        | described(
            "Deliver an event again",
            "To one endpoint, or to all that it was sent to.",
            example=QueuedDeliveries(1),
            body_example={"webhook_id": "WH-4T9M2K7XQA"},
            path=_EVENT_ID,
            errors=[Code.EVENT_NOT_FOUND, Code.WEBHOOK_NOT_FOUND],
        ),
        operation_id="redeliverEvent",
    )
    async def redeliver(
        request: Request[Any, Any, Any], principal: Principal, event_id: str, data: RedeliveryRequest
    ) -> QueuedDeliveries:
        return QueuedDeliveries(
            await replay.redeliver_event(
                merchant_id=principal.merchant_id,
                mode=principal.mode,
                event_id=event_id,
                endpoint_id=data.webhook_id,
                actor=actor_of(request),
            )
        )

    return Router("/events", route_handlers=[page, read, redeliver], tags=["Events"])


def _page(bodies: list[bytes], cursor: str | None) -> Response[EventPage]:
    """The page with the stored bodies copied byte for byte: decoded and encoded again they could differ."""
    content = b'{"data":[%s],"next_cursor":%s}' % (b",".join(bodies), msgspec.json.encode(cursor))
    return cast(Response[EventPage], Response(content, media_type="application/json"))
