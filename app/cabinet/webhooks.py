"""Webhooks: endpoints, their secrets, deliveries with their outcome, replays.

A secret is shown once, on the page to which the form leads (`Portal.show_once`).
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.fields import start_of_day
from app.cabinet.forms import one_of, required
from app.cabinet.guard import needs
from app.cabinet.keys import GRACES, grace_of
from app.cabinet.labels import plural
from app.cabinet.lists import list_query
from app.cabinet.rotation import ends_with, refuse_unseen_rotation
from app.core import clock
from app.core.errors import ApiError
from app.core.keyset import page_or_first
from app.core.money import group_digits
from app.core.newer import Words
from app.events.types import EVENT_TYPES
from app.identity.form_routes import KEY_IN_ADDRESS, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest, visitor_of
from app.identity.paging import by_number
from app.identity.sentences import sentence
from app.merchants.roles import Permission
from app.webhooks import deliveries_repository, endpoints_repository, service
from app.webhooks.administration import EndpointAdministration
from app.webhooks.deliveries_repository import MAX_WAITING_COUNTED
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.pausing import answer_in_words
from app.webhooks.schedule import PAUSE_AFTER_FAILURES
from app.webhooks.service import RevealedSecret

STATUS_REASONS: Mapping[tuple[str, str | None], str] = MappingProxyType(
    {
        ("paused", "failures"): f"{PAUSE_AFTER_FAILURES} deliveries in a row failed. Events wait, in order; none is "
        "lost. Fix the endpoint, then enable it.",
        ("paused", "merchant"): "A member of your team paused it. Events wait, in order, until it is enabled.",
        ("disabled", "gone"): "It answered 410 Gone, which says that it wants no more events. Enable it to receive new "
        "ones, and send again what it missed.",
        ("disabled", "merchant"): "A member of your team disabled it. Enable it to receive new events, and send "
        "again what it missed.",
    }
)

DELIVERY_STATES: Mapping[str, str] = MappingProxyType(
    Words({"pending": "Waiting", "delivered": "Delivered", "dead": "Given up"})
)

SHOWN_DELIVERY_STATES: Mapping[str, str] = MappingProxyType(Words({**DELIVERY_STATES, "retrying": "Retrying"}))
"""`retrying` is a pending one with a failed attempt; lists are filtered by the others."""

MAX_LISTED = 100

SENT_AT_ONCE = 1_000
"""Events that are queued again while the page waits; more are queued by a worker, with its progress."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`webhooks`, `webhooks/new`, `webhooks/{id}`, and the verbs below it."""
    services, identity = cabinet.services, cabinet.identity

    def endpoints_of(ctx: MemberContext) -> EndpointAdministration:
        return EndpointAdministration(ctx.member, ctx.mode, services.settings.data_keys, services.outbound)

    async def found(ctx: MemberContext, endpoint_id: str) -> EndpointView:
        return await service.get_endpoint(ctx.merchant_id, ctx.mode, endpoint_id)

    @get("/webhooks", opt=needs(Permission.WEBHOOKS_VIEW))
    async def webhooks(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        implicit = request.query_params.get("show") == "invoices"
        endpoints = await endpoints_repository.list_endpoints(
            ctx.merchant_id, ctx.mode, implicit=implicit, limit=MAX_LISTED
        )
        return await cabinet.page(request, "cabinet/webhooks/list.html", {"endpoints": endpoints, "implicit": implicit})

    @get("/webhooks/new", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def new_webhook(request: PageRequest) -> Response[Any]:
        return await cabinet.page(request, "cabinet/webhooks/new.html", _form_context(Form.empty(which="all")))

    async def check(request: PageRequest, form: Form) -> tuple[str, list[str]]:
        """Record what is wrong with an endpoint's form; its URL and event types."""
        url, types = required(form, "url", "Enter the address that we send events to."), _event_types(form)
        with form.gathering():
            await service.checked(url, form.text("description"), types, services.outbound)
        return url, types

    @form_post(
        "/webhooks/new",
        does="Create a webhook",
        step_up=StepUp.FRESH_CODE,
        check=check,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def create(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            url, types = await check(request, form)
            await identity.require_fresh_code(request, form)
            with form.catching():
                made = await endpoints_of(ctx).create(url=url, description=form.text("description"), event_types=types)
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/webhooks/new.html", _form_context(form))
        return show(request, made, "Its signing secret")

    def show(request: PageRequest, revealed: RevealedSecret, heading: str) -> Response[Any]:
        path = context_of(request).path("webhooks", revealed.endpoint.id, "secret", "shown")
        return identity.show_once(request, path, {"secret": revealed.secret, "heading": heading})

    @get("/webhooks/{endpoint_id:str}/secret/shown", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def secret(request: PageRequest, endpoint_id: str) -> Response[Any]:
        endpoint = await found(context_of(request), endpoint_id)
        context = {"endpoint": endpoint, "now": clock.now(), "shown": await identity.shown_once(request)}
        return await cabinet.page(request, "cabinet/webhooks/secret.html", context)

    @get("/webhooks/{endpoint_id:str}", opt=needs(Permission.WEBHOOKS_VIEW) | KEY_IN_ADDRESS)
    async def webhook(request: PageRequest, endpoint_id: str) -> Response[Any]:
        ctx = context_of(request)
        endpoint = await found(ctx, endpoint_id)
        query = list_query(request, "status", key=by_number)
        status = query.one_of("status", DELIVERY_STATES)
        deliveries = await page_or_first(
            lambda place: service.list_deliveries(
                ctx.merchant_id, ctx.mode, endpoint_id, status=status, limit=query.rows, place=place
            ),
            query.place,
        )
        waiting = await deliveries_repository.count_waiting(ctx.merchant_id, ctx.mode, endpoint_id)
        here = ctx.path("webhooks", endpoint_id)
        context = {
            "endpoint": endpoint,
            "host": urlsplit(endpoint.url).netloc,
            "reason": _reason(endpoint),
            "now": clock.now(),
            "waiting": group_digits(waiting) + ("+" if waiting >= MAX_WAITING_COUNTED else ""),
            "pause_after": PAUSE_AFTER_FAILURES,
            "kept_days": services.settings.event_retention_days,
            "answers_kept_days": min(services.settings.attempt_retention_days, services.settings.event_retention_days),
            "deliveries": deliveries,
            "delivery_states": SHOWN_DELIVERY_STATES,
            "status": status,
            "tabs": [("All", here, status is None)]
            + [(words, f"{here}?status={name}", status == name) for name, words in DELIVERY_STATES.items()],
            "pager": query.pager(deliveries),
            "total": (await deliveries_repository.total_of_endpoint(endpoint_id, status=status)).beside(deliveries),
        }
        return await cabinet.page(request, "cabinet/webhooks/detail.html", context)

    @get("/webhooks/{endpoint_id:str}/edit", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def edit_page(request: PageRequest, endpoint_id: str) -> Response[Any]:
        endpoint = await found(context_of(request), endpoint_id)
        form = Form(
            values={
                "url": endpoint.url,
                "description": endpoint.description,
                "which": "some" if endpoint.event_types else "all",
            },
            lists={"event_types": list(endpoint.event_types)},
        )
        context = {**_form_context(form), "endpoint": endpoint}
        return await cabinet.page(request, "cabinet/webhooks/edit.html", context)

    @form_post(
        "/webhooks/{endpoint_id:str}/edit",
        does="Change a webhook",
        step_up=StepUp.FRESH_CODE,
        check=check,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def edit(request: PageRequest, endpoint_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        endpoint = await found(ctx, endpoint_id)
        try:
            url, types = ("", []) if endpoint.implicit else await check(request, form)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await endpoints_of(ctx).update(
                    endpoint_id,
                    url=None if endpoint.implicit else url,
                    description=form.text("description"),
                    event_types=None if endpoint.implicit else types,
                )
        except FormRefused:
            context = {**_form_context(form), "endpoint": endpoint}
            return await cabinet.refused(request, form, "cabinet/webhooks/edit.html", context)
        return identity.redirect(request, ctx.path("webhooks", endpoint_id), flash="The endpoint is changed.")

    @get("/webhooks/{endpoint_id:str}/secret", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def reveal_page(request: PageRequest, endpoint_id: str) -> Response[Any]:
        context = {"endpoint": await found(context_of(request), endpoint_id), "form": Form.empty()}
        return await cabinet.page(request, "cabinet/webhooks/reveal.html", context)

    @form_post(
        "/webhooks/{endpoint_id:str}/secret",
        does="Show a signing secret",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def reveal(request: PageRequest, endpoint_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                shown = await endpoints_of(ctx).reveal_secret(endpoint_id)
        except FormRefused:
            context = {"endpoint": await found(ctx, endpoint_id)}
            return await cabinet.refused(request, form, "cabinet/webhooks/reveal.html", context)
        return show(request, shown, "Its signing secret")

    @get("/webhooks/{endpoint_id:str}/rotate", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def rotate_page(request: PageRequest, endpoint_id: str) -> Response[Any]:
        endpoint = await found(context_of(request), endpoint_id)
        form = Form.empty(overlap_hours="24", ends_with_this=ends_with(endpoint.previous_secret_until))
        context = {"endpoint": endpoint, "form": form, "graces": GRACES, "now": clock.now()}
        return await cabinet.page(request, "cabinet/webhooks/rotate.html", context)

    @form_post(
        "/webhooks/{endpoint_id:str}/rotate",
        does="Rotate a signing secret",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def rotate(request: PageRequest, endpoint_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        endpoint = await found(ctx, endpoint_id)
        try:
            hours = grace_of(form, "overlap_hours")
            await identity.require_fresh_code(request, form)
            with form.catching():
                refuse_unseen_rotation(form, endpoint.previous_secret_until)
                made = await endpoints_of(ctx).rotate_secret(endpoint_id, overlap_hours=hours)
        except FormRefused:
            context = {"endpoint": endpoint, "graces": GRACES, "now": clock.now()}
            return await cabinet.refused(request, form, "cabinet/webhooks/rotate.html", context)
        return show(request, made, "Its new signing secret")

    @get("/webhooks/{endpoint_id:str}/replay", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def replay_page(request: PageRequest, endpoint_id: str) -> Response[Any]:
        context = {"endpoint": await found(context_of(request), endpoint_id), "form": Form.empty()}
        return await cabinet.page(request, "cabinet/webhooks/replay.html", context)

    @form_post(
        "/webhooks/{endpoint_id:str}/replay",
        does="Send events again",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def replay_since(request: PageRequest, endpoint_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        endpoint = await found(ctx, endpoint_id)
        try:
            since = start_of_day(form, "since", visitor_of(request).zone)
            if since is None:
                form.record("since", "Choose the day from which on events are sent again.")
            await identity.require_fresh_code(request, form)
            assert since is not None, "without a day the form was refused"
            missed_only, endpoints = form.has("missed_only"), endpoints_of(ctx)
            with form.catching():
                span = await endpoints.span_since(endpoint_id, since)
                if span.length > SENT_AT_ONCE:
                    job_id = await endpoints.start_redelivery(endpoint_id, span, missed_only=missed_only)
                    return identity.redirect(request, ctx.path("work", job_id))
                count = await endpoints.redeliver_since(endpoint_id, since=since, missed_only=missed_only)
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/webhooks/replay.html", {"endpoint": endpoint})
        words = f"{plural(count, 'event goes', 'events go')} out again, oldest first."
        return identity.redirect(request, ctx.path("webhooks", endpoint_id), flash=words)

    @get("/webhooks/{endpoint_id:str}/delete", opt=needs(Permission.WEBHOOKS_MANAGE))
    async def delete_page(request: PageRequest, endpoint_id: str) -> Response[Any]:
        context = {"endpoint": await found(context_of(request), endpoint_id), "form": Form.empty()}
        return await cabinet.page(request, "cabinet/webhooks/delete.html", context)

    @form_post(
        "/webhooks/{endpoint_id:str}/delete",
        does="Delete a webhook",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def delete(request: PageRequest, endpoint_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                await endpoints_of(ctx).delete(endpoint_id)
        except FormRefused:
            context = {"endpoint": await found(ctx, endpoint_id)}
            return await cabinet.refused(request, form, "cabinet/webhooks/delete.html", context)
        return identity.redirect(request, ctx.path("webhooks"), flash="The endpoint is deleted.")

    async def at_once(
        request: PageRequest, endpoint_id: str, verb: Callable[[], Awaitable[Any]], done: str
    ) -> Response[Any]:
        """Run an action that has no fields; the endpoint's page shows why it was refused."""
        await found(context_of(request), endpoint_id)
        await identity.require_fresh_code(request, await identity.read_form(request))
        back = context_of(request).path("webhooks", endpoint_id)
        try:
            await verb()
        except ApiError as error:
            if error.status != 400:
                raise
            name, _, words = error.message.partition(": ")
            return identity.nothing_done(request, back, sentence(name, words))
        return identity.redirect(request, back, flash=done)

    @form_post(
        "/webhooks/{endpoint_id:str}/enable",
        does="Enable a webhook",
        step_up=StepUp.FRESH_CODE,
        page="/webhooks/{endpoint_id:str}",
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def enable(request: PageRequest, endpoint_id: str) -> Response[Any]:
        endpoints = endpoints_of(context_of(request))
        words = "The endpoint is enabled. What waited goes out now, in order."
        return await at_once(request, endpoint_id, lambda: endpoints.enable(endpoint_id), words)

    @form_post(
        "/webhooks/{endpoint_id:str}/pause",
        does="Pause a webhook",
        step_up=StepUp.FRESH_CODE,
        page="/webhooks/{endpoint_id:str}",
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def pause(request: PageRequest, endpoint_id: str) -> Response[Any]:
        endpoints = endpoints_of(context_of(request))
        words = "The endpoint is paused. Events wait until it is enabled."
        return await at_once(request, endpoint_id, lambda: endpoints.pause(endpoint_id), words)

    @form_post(
        "/webhooks/{endpoint_id:str}/test",
        does="Send a test event",
        step_up=StepUp.FRESH_CODE,
        page="/webhooks/{endpoint_id:str}",
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def test(request: PageRequest, endpoint_id: str) -> Response[Any]:
        endpoints = endpoints_of(context_of(request))
        words = "A test event is on its way. Its outcome appears below, under Deliveries."
        return await at_once(request, endpoint_id, lambda: endpoints.send_test_event(endpoint_id), words)

    @form_post(
        "/webhooks/{endpoint_id:str}/deliveries/{event_id:str}/replay",
        does="Send a delivery again",
        step_up=StepUp.FRESH_CODE,
        page="/webhooks/{endpoint_id:str}",
        opt=needs(Permission.WEBHOOKS_MANAGE),
    )
    async def replay_one(request: PageRequest, endpoint_id: str, event_id: str) -> Response[Any]:
        endpoints = endpoints_of(context_of(request))
        words = "The event goes out again, now."
        return await at_once(
            request, endpoint_id, lambda: endpoints.redeliver_event(event_id, endpoint_id=endpoint_id), words
        )

    return [
        webhooks,
        new_webhook,
        create,
        secret,
        webhook,
        edit_page,
        edit,
        reveal_page,
        reveal,
        rotate_page,
        rotate,
        replay_page,
        replay_since,
        delete_page,
        delete,
        enable,
        pause,
        test,
        replay_one,
    ]


def _reason(endpoint: EndpointView) -> str:
    """Why an endpoint gets nothing now; empty while it does."""
    words = STATUS_REASONS.get((endpoint.status, endpoint.status_reason), "")
    if endpoint.status_reason == "failures" and endpoint.stopped_by is not None:
        words += f" The last answer: {answer_in_words(endpoint.stopped_by)}."
    return words


def _form_context(form: Form) -> dict[str, Any]:
    """The event types by noun, each in the order in which they happen."""
    return {"form": form, "event_types": [(name, name) for name in sorted(EVENT_TYPES)]}


def _event_types(form: Form) -> list[str]:
    """The types that were chosen, none for all. Records an error where some were meant and none was chosen."""
    if one_of(form, "which", ("all", "some"), "Choose which events it receives.") != "some":
        return []
    types = form.many("event_types")
    if not types:
        form.record("event_types", "Choose at least one event, or “Everything” above.")
    return types
