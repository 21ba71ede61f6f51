"""Events: everything that happened, numbered, whether or not it was delivered."""

from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.labels import plural
from app.cabinet.lists import list_query
from app.cabinet.webhooks import SHOWN_DELIVERY_STATES
from app.core.keyset import page_or_first
from app.events import repository, service
from app.identity.form_routes import KEY_IN_ADDRESS, StepUp, form_post
from app.identity.identity import PageRequest
from app.identity.paging import PAGE_LENGTH, by_number
from app.merchants.roles import Permission
from app.web.standby_reads import FROM_STANDBY
from app.webhooks import deliveries_repository, endpoints_repository
from app.webhooks.administration import EndpointAdministration

PLACES = {"INV": "invoices", "PO": "payouts", "RF": "refunds", "WH": "webhooks"}
"""The page of an event's subject, by the prefix of its id."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`events`, `events/{id}`, `events/{id}/replay`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/events", opt=needs(Permission.EVENTS_VIEW) | FROM_STANDBY)
    async def events(request: PageRequest) -> Response[Any]:
        ctx, query = context_of(request), list_query(request, key=by_number)
        found = await page_or_first(
            lambda place: repository.list_newest(ctx.merchant_id, ctx.mode, limit=query.rows, place=place),
            query.place,
        )
        total = await repository.total(ctx.merchant_id, ctx.mode)
        context = {"events": found, "pager": query.pager(found), "total": total.beside(found)}
        return await cabinet.page(request, "cabinet/events/list.html", context)

    @get("/events/{event_id:str}", opt=needs(Permission.EVENTS_VIEW) | KEY_IN_ADDRESS)
    async def event(request: PageRequest, event_id: str) -> Response[Any]:
        ctx = context_of(request)
        found = await service.get(ctx.merchant_id, ctx.mode, event_id)
        deliveries = await deliveries_repository.list_of_event(ctx.merchant_id, ctx.mode, found.event_id)
        endpoints = {
            one.id: one.url
            for implicit in (False, True)
            for one in await endpoints_repository.list_endpoints(
                ctx.merchant_id, ctx.mode, implicit=implicit, limit=PAGE_LENGTH
            )
        }
        place = PLACES.get(found.subject_id.partition("-")[0])
        context = {
            "event": found,
            "body": msgspec.json.format(found.body).decode(),
            "subject_url": ctx.path(place, found.subject_id) if place else "",
            "deliveries": deliveries,
            "delivery_states": SHOWN_DELIVERY_STATES,
            "endpoints": endpoints,
        }
        return await cabinet.page(request, "cabinet/events/detail.html", context)

    @form_post(
        "/events/{event_id:str}/replay",
        does="Send an event again",
        step_up=StepUp.FRESH_CODE,
        page="/events/{event_id:str}",
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def replay(request: PageRequest, event_id: str) -> Response[Any]:
        ctx = context_of(request)
        administration = EndpointAdministration(ctx.member, ctx.mode, services.settings.data_keys, services.outbound)
        await service.get(ctx.merchant_id, ctx.mode, event_id)
        await identity.require_fresh_code(request, await identity.read_form(request))
        count = await administration.redeliver_event(event_id, endpoint_id=None)
        back = ctx.path("events", event_id)
        if not count:
            words = "No endpoint is subscribed to this event, or it is being sent at this moment."
            return identity.nothing_done(request, back, words)
        return identity.redirect(request, back, flash=f"The event goes to {plural(count, 'endpoint')} again, now.")

    return [events, event, replay]
