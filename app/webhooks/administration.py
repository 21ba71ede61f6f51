"""Administration of endpoints by a member: checks the permission, then calls the same function as the API."""

import uuid
from collections.abc import Collection
from datetime import datetime

import msgspec

from app.core import clock
from app.core.outbound import OutboundClient
from app.core.settings import DataKeys
from app.events.service import Mode
from app.jobs import service as jobs
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.webhooks import checking, replay, service
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.replay import Span
from app.webhooks.service import Actor, RevealedSecret


class EndpointAdministration(msgspec.Struct, frozen=True):
    """The endpoints of one mode, for a member. Each method raises Forbidden, and the errors of its service function."""

    by: Member
    mode: Mode
    keys: DataKeys
    outbound: OutboundClient

    async def create(self, *, url: str, description: str, event_types: Collection[str]) -> RevealedSecret:
        """Create an enabled endpoint, and return it with its secret. `event_types` empty means all. Not in a
        transaction."""
        return await service.create_endpoint(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            url=url,
            description=description,
            event_types=event_types,
            actor=self._actor(),
            outbound=self.outbound,
            keys=self.keys,
        )

    async def update(
        self, endpoint_id: str, *, url: str | None, description: str | None, event_types: Collection[str] | None
    ) -> EndpointView:
        """Change the fields that are not None. Not inside a transaction."""
        return await service.update_endpoint(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            endpoint_id=endpoint_id,
            url=url,
            description=description,
            event_types=event_types,
            actor=self._actor(),
            outbound=self.outbound,
        )

    async def enable(self, endpoint_id: str) -> EndpointView:
        """Enable an endpoint; waiting deliveries are sent in order."""
        return await service.enable_endpoint(
            merchant_id=self.by.merchant_id, mode=self.mode, endpoint_id=endpoint_id, actor=self._actor()
        )

    async def pause(self, endpoint_id: str) -> EndpointView:
        """Pause an endpoint: its deliveries wait."""
        return await service.pause_endpoint(
            merchant_id=self.by.merchant_id, mode=self.mode, endpoint_id=endpoint_id, actor=self._actor()
        )

    async def disable(self, endpoint_id: str) -> EndpointView:
        """Disable an endpoint; waiting deliveries become dead."""
        return await service.disable_endpoint(
            merchant_id=self.by.merchant_id, mode=self.mode, endpoint_id=endpoint_id, actor=self._actor()
        )

    async def delete(self, endpoint_id: str) -> None:
        """Delete an endpoint."""
        await service.delete_endpoint(
            merchant_id=self.by.merchant_id, mode=self.mode, endpoint_id=endpoint_id, actor=self._actor()
        )

    async def rotate_secret(self, endpoint_id: str, *, overlap_hours: int) -> RevealedSecret:
        """Create a new secret; for `overlap_hours` the old one signs too."""
        return await service.rotate_secret(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            endpoint_id=endpoint_id,
            overlap_hours=overlap_hours,
            actor=self._actor(),
            keys=self.keys,
        )

    async def rotate_secret_in_transaction(self, endpoint_id: str, *, overlap_hours: int) -> RevealedSecret:
        """Like `rotate_secret`, in the caller's transaction."""
        return await service.rotate_secret_in_transaction(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            endpoint_id=endpoint_id,
            overlap_hours=overlap_hours,
            actor=self._actor(),
            keys=self.keys,
        )

    async def reveal_secret(self, endpoint_id: str) -> RevealedSecret:
        """The current secret in plain text."""
        return await service.reveal_secret(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            endpoint_id=endpoint_id,
            actor=self._actor(),
            keys=self.keys,
        )

    async def send_test_event(self, endpoint_id: str) -> uuid.UUID:
        """Send a `webhook.test` event to this endpoint only; return the event's id."""
        return await replay.send_test_event(
            merchant_id=self.by.merchant_id, mode=self.mode, endpoint_id=endpoint_id, actor=self._actor()
        )

    async def redeliver_event(self, event_id: str, *, endpoint_id: str | None) -> int:
        """Send one event again; return to how many endpoints."""
        return await replay.redeliver_event(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            event_id=event_id,
            endpoint_id=endpoint_id,
            actor=self._actor(),
        )

    async def redeliver_since(self, endpoint_id: str, *, since: datetime, missed_only: bool = False) -> int:
        """Send all events since a time again, or with `missed_only` those that it has not received; return how many."""
        return await replay.redeliver_since(
            merchant_id=self.by.merchant_id,
            mode=self.mode,
            endpoint_id=endpoint_id,
            since=since,
            missed_only=missed_only,
            actor=self._actor(),
        )

    async def span_since(self, endpoint_id: str, since: datetime) -> Span:
        """The events that `redeliver_since` would look at."""
        self.by.require(Permission.WEBHOOKS_MANAGE)
        return await replay.span_since(
            merchant_id=self.by.merchant_id, mode=self.mode, endpoint_id=endpoint_id, since=since
        )

    async def start_redelivery(self, endpoint_id: str, span: Span, *, missed_only: bool) -> str:
        """Have a worker do what `redeliver_since` does; return the job's id. Raises INVALID_INPUT where too many jobs
        are open."""
        actor = self._actor()
        request = {
            "endpoint": endpoint_id,
            "since": clock.rfc3339(span.since),
            "after_seq": span.after_seq,
            "last_seq": span.last_seq,
            "missed_only": missed_only,
        }
        return await jobs.start(
            self.by,
            self.mode,
            replay.JOB_KIND,
            request,
            clock.now(),
            beside=lambda: replay.audit_since(self.by.merchant_id, endpoint_id, span.since, missed_only, actor),
        )

    async def start_check(self, endpoint_id: str) -> str:
        """Have a worker send an endpoint test events in awkward ways (`integration_checks.py`); return the job's id.

        Raises WEBHOOK_NOT_FOUND, and INVALID_INPUT where too many were started or too many jobs are open.
        """
        actor = self._actor()
        await service.get_endpoint(self.by.merchant_id, self.mode, endpoint_id)
        return await jobs.start(
            self.by,
            self.mode,
            checking.JOB_KIND,
            {"endpoint": endpoint_id},
            clock.now(),
            beside=lambda: checking.audit_start(self.by.merchant_id, endpoint_id, actor),
        )

    def _actor(self) -> Actor:
        """The member as actor. Raises Forbidden. Every method needs the actor, so none can skip the check."""
        self.by.require(Permission.WEBHOOKS_MANAGE, self.mode)
        return Actor(self.by.actor, self.by.address)
