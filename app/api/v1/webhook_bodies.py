"""Request and response bodies of `/webhooks`: schemas, examples, and the conversion from our own types."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.api.operation import NextCursor
from app.core.clock import rfc3339
from app.webhooks.deliveries_repository import DeliveryView
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.service import RevealedSecret

MAX_EVENT_TYPES = 100
"""More than the types that exist; a filter lists each once."""

DEFAULT_OVERLAP_HOURS = 24

WebhookUrl = Annotated[str, Meta(max_length=2_048, description="https, port 443 or from 1024 up, a public address.")]
EventTypes = Annotated[
    list[str], Meta(max_length=MAX_EVENT_TYPES, description="Such as `invoice.paid`; empty means all.")
]
WebhookStatus = Annotated[Literal["enabled", "paused", "disabled"], Meta(title="WebhookStatus")]
Description = Annotated[str, Meta(max_length=500, description="For your own records.")]


class WebhookRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A new endpoint."""

    url: WebhookUrl
    description: Description = ""
    event_types: EventTypes = []


class WebhookChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The fields to change. Fields that are left out stay."""

    url: WebhookUrl | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    status: Annotated[WebhookStatus | UnsetType, Meta(description="The new status.")] = UNSET


class RotationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How long the old secret signs beside the new one."""

    overlap_hours: Annotated[int, Meta(ge=0, le=72, description="Hours in which both secrets sign.")] = (
        DEFAULT_OVERLAP_HOURS
    )


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The time since which every event is sent again."""

    since: Annotated[datetime, Meta(description="RFC 3339, with a time zone.")]


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of yours."""

    id: Annotated[str, Meta(description="`WH-` and ten characters.")]
    mode: Annotated[Literal["live", "test"], Meta(title="Mode", description="The key's mode.")]
    url: Annotated[str, Meta(description="In canonical form.")]
    description: Annotated[str, Meta(description="For your own records.")]
    event_types: Annotated[list[str], Meta(description="Empty means all.")]
    implicit: Annotated[bool, Meta(description="Created by an invoice's `webhook_url`.")]
    status: Annotated[
        WebhookStatus,
        Meta(description="While paused, deliveries wait; disabled, there are none."),
    ]
    status_reason: Annotated[
        Annotated[Literal["failures", "gone", "merchant"], Meta(title="WebhookStatusReason")] | None,
        Meta(description="Why it is not enabled: twenty failures in a row, a response of 410, or your own request."),
    ]
    status_since: Annotated[str, Meta(description="When the status began.")]
    consecutive_failures: Annotated[int, Meta(description="Failures in a row; twenty pause the endpoint.")]
    previous_secret_until: Annotated[
        str | None, Meta(description="Until when the previous secret signs too; null if it does not.")
    ]
    created_at: Annotated[str, Meta(description="When it was created.")]


class WebhookWithSecret(WebhookBody, frozen=True, kw_only=True):
    """An endpoint with its secret, which is shown this once."""

    secret: Annotated[str, Meta(description="`whsec_` and the base64 of 32 bytes. Shown this once.")]


class WebhookPage(msgspec.Struct, frozen=True):
    """A page of endpoints, newest first."""

    data: list[WebhookBody]
    next_cursor: NextCursor


class AttemptBody(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: `response_status`, or `error` where no answer came."""

    number: Annotated[int, Meta(description="1 for the first.")]
    started_at: Annotated[str, Meta(description="When it began.")]
    duration_ms: Annotated[int, Meta(description="Until the response arrived or the attempt failed.")]
    response_status: Annotated[int | None, Meta(description="Your HTTP status.")]
    error: Annotated[str | None, Meta(description="Why no answer came, such as `timeout` or `tls`.")]
    detail: Annotated[str, Meta(description="The error in words.")]
    response_excerpt: Annotated[str, Meta(description="The first 4 KiB of your answer.")]
    next_attempt_at: Annotated[str | None, Meta(description="When the next one was planned.")]


class DeliveryBody(msgspec.Struct, frozen=True, kw_only=True):
    """The delivery of one event to this endpoint."""

    event_id: Annotated[str, Meta(description="The event's UUID.")]
    event_type: Annotated[str, Meta(description="Such as `invoice.paid`.")]
    seq: Annotated[int, Meta(description="The event's number.")]
    previous_seq: Annotated[int, Meta(description="The event before it that was sent to this endpoint; 0 if none.")]
    status: Annotated[
        Literal["pending", "delivered", "dead"],
        Meta(title="DeliveryStatus", description="Dead ones are kept, and can be replayed."),
    ]
    attempt_count: Annotated[int, Meta(description="How often it was tried.")]
    next_attempt_at: Annotated[str | None, Meta(description="When it is tried next.")]
    delivered_at: Annotated[str | None, Meta(description="When your endpoint accepted it.")]
    created_at: Annotated[str, Meta(description="When it was queued.")]
    attempts: Annotated[list[AttemptBody], Meta(description="All attempts, oldest first.")]


class DeliveryPage(msgspec.Struct, frozen=True):
    """A page of deliveries, newest event first."""

    data: list[DeliveryBody]
    next_cursor: NextCursor


class QueuedTestEvent(msgspec.Struct, frozen=True):
    """The test event that was queued."""

    event_id: Annotated[str, Meta(description="Its UUID, to look for in the log.")]


class QueuedDeliveries(msgspec.Struct, frozen=True):
    """How many deliveries were queued."""

    deliveries: Annotated[int, Meta(description="Each to one endpoint.")]


WEBHOOK = WebhookBody(
    id="WH-4T9M2K7XQA",
    mode="test",
    url="https://shop.example/hooks/swap-pay",
    description="the shop's order service",
    event_types=["invoice.paid", "invoice.manual_review"],
    implicit=False,
    status="enabled",
    status_reason=None,
    status_since="2026-01-31T09:00:00.000000Z",
    consecutive_failures=0,
    previous_secret_until=None,
    created_at="2026-01-31T09:00:00.000000Z",
)

WEBHOOK_WITH_SECRET = WebhookWithSecret(
    **msgspec.structs.asdict(WEBHOOK),
    secret="whsec_3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",  # noqa: S106 - an example
)

DELIVERY = DeliveryBody(
    event_id="5f0c7b0e-3f2a-4b8e-9d57-0c9a5a3c1f11",
    event_type="invoice.paid",
    seq=1042,
    previous_seq=1040,
    status="delivered",
    attempt_count=1,
    next_attempt_at=None,
    delivered_at="2026-01-31T09:36:36.341201Z",
    created_at="2026-01-31T09:36:36.201114Z",
    attempts=[
        AttemptBody(
            number=1,
            started_at="2026-01-31T09:36:36.230008Z",
            duration_ms=111,
            response_status=200,
            error=None,
            detail="",
            response_excerpt="ok",
            next_attempt_at=None,
        )
    ],
)


def webhook_body(endpoint: EndpointView) -> WebhookBody:
    """An endpoint as the API shows it."""
    return WebhookBody(**_fields(endpoint))


def webhook_with_secret(revealed: RevealedSecret) -> WebhookWithSecret:
    """An endpoint with its new secret."""
    return WebhookWithSecret(**_fields(revealed.endpoint), secret=revealed.secret)


def _fields(endpoint: EndpointView) -> dict[str, Any]:
    until = endpoint.previous_secret_until
    return {
        "id": endpoint.id,
        "mode": endpoint.mode,
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": list(endpoint.event_types),
        "implicit": endpoint.implicit,
        "status": endpoint.status,
        "status_reason": endpoint.status_reason,
        "status_since": rfc3339(endpoint.status_since),
        "consecutive_failures": endpoint.consecutive_failures,
        "previous_secret_until": None if until is None else rfc3339(until),
        "created_at": rfc3339(endpoint.created_at),
    }


def delivery_body(delivery: DeliveryView) -> DeliveryBody:
    """A delivery with its attempts."""
    return DeliveryBody(
        event_id=str(delivery.event_id),
        event_type=delivery.event_type,
        seq=delivery.seq,
        previous_seq=delivery.previous_seq,
        status=cast(Any, delivery.status),
        attempt_count=delivery.attempt_count,
        next_attempt_at=_moment(delivery.next_attempt_at),
        delivered_at=_moment(delivery.delivered_at),
        created_at=rfc3339(delivery.created_at),
        attempts=[
            AttemptBody(
                number=attempt.number,
                started_at=rfc3339(attempt.started_at),
                duration_ms=attempt.duration_ms,
                response_status=attempt.response_status,
                error=attempt.error,
                detail=attempt.detail,
                response_excerpt=attempt.response_excerpt.decode(errors="replace"),
                next_attempt_at=_moment(attempt.next_attempt_at),
            )
            for attempt in delivery.attempts
        ],
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
