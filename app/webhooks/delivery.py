"""The dispatcher: it numbers events, creates their deliveries, claims and sends those that are due, and records the
attempts.

Any number of dispatchers may run. All state is in Postgres, so a dispatcher may be killed at any point: another one
claims its deliveries when the lease ends. Nothing is sent while a transaction is open.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial

import asyncpg

from app.core import cancelling, carried_traces, clock, crypto, redis, tracing
from app.core.logging import get_logger
from app.core.settings import DataKeys
from app.events import sequencer
from app.events.service import WAKE_CHANNEL
from app.webhooks import claims_repository, metrics, outcomes, signing, wakeups
from app.webhooks.fan_out import fan_out_with
from app.webhooks.outcomes_repository import Attempt
from app.webhooks.secrets import signing_secrets
from app.webhooks.sender import Sender

log = get_logger(__name__)

DELIVERIES_CHANNEL = "wake:deliveries"
"""Redis channel on which a dispatcher announces to the others that there is something to claim."""

POLL_S = 1.0
"""Seconds between polls: the longest delay of an event or delivery whose wake-up was lost."""

MAX_RECORDED_AT_ONCE = 200
"""Attempts recorded in one transaction. They are collected while the previous transaction commits."""

MAX_FAILING_SHARE = 2
"""Endpoints whose last attempt failed get at most 1/MAX_FAILING_SHARE of the slots: the others have theirs free."""

ATTEMPT_LIMIT_S = 14
"""An attempt lasts 13 s at most (core.outbound). None starts when its lease ends sooner than this."""

GRACE_S = 10.0
"""Seconds that running attempts have to end when the process stops."""

MEASURE_EVERY_S = 30.0


class Dispatcher:
    """Delivers until it is stopped. `concurrency` is the maximum of attempts that run at once in this process."""

    def __init__(self, *, sender: Sender, keys: DataKeys, concurrency: int) -> None:
        self._sender = sender
        self._keys = keys
        self._concurrency = concurrency
        self._fan_out = fan_out_with(keys)
        self._events_wake = asyncio.Event()
        self._claims_wake = asyncio.Event()
        self._ended: deque[Attempt] = deque()
        self._ended_wake = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._claimed: dict[int, claims_repository.ClaimedDelivery] = {}
        self._slots_taken = 0
        self._failing_slots_taken = 0
        self._stopping = False
        self._all_ended = False

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then wait for running attempts, then release all other claims."""
        loops = [
            asyncio.create_task(self._loop(self._number, self._events_wake)),
            asyncio.create_task(self._loop(self._claim, self._claims_wake)),
        ]
        listeners = [
            asyncio.create_task(wakeups.listen([WAKE_CHANNEL, DELIVERIES_CHANNEL], self._on_message)),
            asyncio.create_task(self._measure()),
        ]
        recorder = asyncio.create_task(self._record_all())
        try:
            await stop.wait()
        finally:
            self._stopping = True
            await cancelling.end(*listeners)
            await self._finish(loops, recorder)

    async def _loop(self, step: Callable[[], Awaitable[bool]], wake: asyncio.Event) -> None:
        """Run `step` when woken or after POLL_S, and again at once while it returns that there may be more."""
        while not self._stopping:
            more = False
            try:
                wake.clear()
                more = await step()
            except Exception:  # without its loops a dispatcher delivers nothing: log it and try again
                log.exception("dispatcher_step_failed", step=step.__name__)
                await asyncio.sleep(POLL_S)
            if not more:
                await _wait(wake, POLL_S)

    def _on_message(self, channel: str) -> None:
        (self._events_wake if channel == WAKE_CHANNEL else self._claims_wake).set()

    async def _number(self) -> bool:
        numbered = await sequencer.number_events(self._fan_out)
        if numbered:
            self._claims_wake.set()
            await redis.publish(DELIVERIES_CHANNEL)
        return numbered > 0

    async def _claim(self) -> bool:
        working_due, failing_due = await claims_repository.due(now=clock.now())
        more = False
        if working_due and (free := self._free_slots()) > 0:
            claimed = await claims_repository.claim(slots=free, failing=False, now=clock.now())
            self._start(claimed.groups)
            more = claimed.endpoints > 0
        free_failing = self._concurrency // MAX_FAILING_SHARE - self._failing_slots_taken
        if failing_due and (free := min(self._free_slots(), free_failing)) > 0:
            claimed = await claims_repository.claim(slots=free, failing=True, now=clock.now())
            self._start(claimed.groups)
            more = more or claimed.endpoints > 0
        return more

    def _free_slots(self) -> int:
        return self._concurrency - self._slots_taken

    def _start(self, groups: Iterable[claims_repository.Group]) -> None:
        for group in groups:
            self._claimed.update((delivery.id, delivery) for delivery in group.deliveries)
            batches = [group.deliveries] if group.serial else [[delivery] for delivery in group.deliveries]
            for batch in batches:
                self._slots_taken += 1
                self._failing_slots_taken += group.failing
                metrics.in_flight.inc()
                task = asyncio.create_task(self._send_in_turn(batch))
                self._sending.add(task)
                task.add_done_callback(partial(self._free_slot, group.failing))

    def _free_slot(self, failing: bool, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._slots_taken -= 1
        self._failing_slots_taken -= failing
        metrics.in_flight.dec()

    async def _send_in_turn(self, deliveries: list[claims_repository.ClaimedDelivery]) -> None:
        """Send one after another, up to the first that fails or the end of the lease; release the others."""
        for place, delivery in enumerate(deliveries):
            lease_left = delivery.claimed_until - clock.now()
            if self._stopping or lease_left < timedelta(seconds=ATTEMPT_LIMIT_S):
                await self._release(deliveries[place:])
                return
            attempt = await self._traced_attempt(delivery)
            self._ended.append(attempt)
            self._ended_wake.set()
            if not attempt.delivered:
                await self._release(deliveries[place + 1 :])
                return

    async def _traced_attempt(self, delivery: claims_repository.ClaimedDelivery) -> Attempt:
        """An attempt, as a part of the trace of its event where one was carried here."""
        event_id, number = delivery.event_id, delivery.step + 1
        parent = (await carried_traces.kept("event", [event_id])).get(event_id)
        with tracing.continued("webhook", parent, kind="client", event_type=delivery.type, attempt=number) as span:
            attempt = await self._attempt(delivery)
            span.set(outcome=attempt.result)
            if not attempt.delivered:
                span.fail(attempt.result)
        return attempt

    async def _attempt(self, delivery: claims_repository.ClaimedDelivery) -> Attempt:
        started_at = clock.now()
        if delivery.step == 0:
            metrics.first_attempt_latency_s.observe((started_at - delivery.event_created_at).total_seconds())
        try:
            secrets = signing_secrets(
                self._keys,
                delivery.endpoint,
                sealed=delivery.secret_sealed,
                previous_sealed=delivery.previous_secret_sealed,
                previous_until=delivery.previous_secret_until,
                now=started_at,
            )
            headers = signing.headers(
                event_id=delivery.event_id,
                type=delivery.type,
                previous_seq=delivery.previous_seq,
                body=delivery.body,
                secrets=secrets,
                now=started_at,
            )
            outcome = await self._sender.post(delivery.url, headers=headers, body=delivery.body)
        except crypto.Undecryptable as error:
            log.error("webhook_secret_unreadable", endpoint=delivery.endpoint, reason=str(error))
            return self._not_sent(delivery, outcomes.SECRET_UNREADABLE, "the signing secret can't be read: rotate it")
        except Exception:  # one delivery must not stop the dispatcher; the delivery log shows the failure
            log.exception("webhook_attempt_failed", endpoint=delivery.endpoint, delivery=delivery.id)
            return self._not_sent(delivery, outcomes.INTERNAL, "the attempt failed on our side")
        if outcome.operator_note:
            log.info("webhook_target_note", endpoint=delivery.endpoint, note=outcome.operator_note)
        return outcomes.attempt_from(delivery, started_at, outcome)

    def _not_sent(self, delivery: claims_repository.ClaimedDelivery, error: str, detail: str) -> Attempt:
        return Attempt(
            delivery=delivery, started_at=clock.now(), duration_ms=0, status=None, error=error, detail=detail
        )

    async def _release(self, deliveries: list[claims_repository.ClaimedDelivery]) -> None:
        for delivery in deliveries:
            self._claimed.pop(delivery.id, None)
        try:
            await claims_repository.release(deliveries, now=clock.now())
        except Exception:  # the lease ends by itself
            log.exception("webhook_release_failed", deliveries=len(deliveries))

    async def _record_all(self) -> None:
        while self._ended or not self._all_ended:
            self._ended_wake.clear()
            if self._ended:
                await self._record(self._ended_attempts())
                self._claims_wake.set()  # slots are free again, here and at the endpoints
            else:
                await self._ended_wake.wait()

    def _ended_attempts(self) -> list[Attempt]:
        """The attempts that have ended, in order, at most one of each delivery."""
        attempts: dict[int, Attempt] = {}
        while self._ended and len(attempts) < MAX_RECORDED_AT_ONCE and self._ended[0].delivery.id not in attempts:
            attempt = self._ended.popleft()
            attempts[attempt.delivery.id] = attempt
        return list(attempts.values())

    async def _record(self, attempts: list[Attempt]) -> None:
        """Record attempts, and retry while Postgres is unavailable."""
        while True:
            try:
                await outcomes.record(attempts)
            except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
                log.exception("webhook_record_refused", attempts=len(attempts))
                if len(attempts) > 1:  # an attempt that can't be stored must not block the others
                    for attempt in attempts:
                        await self._record([attempt])
                return
            except Exception:
                log.exception("webhook_record_failed", attempts=len(attempts))
                await asyncio.sleep(POLL_S)
            else:
                break
        for attempt in attempts:
            self._claimed.pop(attempt.delivery.id, None)
            metrics.attempts_total.labels(result=attempt.result).inc()

    async def _measure(self) -> None:
        while True:
            try:
                await metrics.measure_waiting()
            except Exception:
                log.exception("webhook_measure_failed")
            await asyncio.sleep(MEASURE_EVERY_S)

    async def _finish(self, loops: list["asyncio.Task[None]"], recorder: "asyncio.Task[None]") -> None:
        self._events_wake.set()
        self._claims_wake.set()
        await asyncio.wait(loops, timeout=GRACE_S)  # not cancelled: a claim that runs now would be lost
        if self._sending:
            await asyncio.wait(set(self._sending), timeout=GRACE_S)
        await cancelling.end(*self._sending)
        self._all_ended = True
        self._ended_wake.set()
        await asyncio.wait([recorder], timeout=GRACE_S)
        await cancelling.end(*loops, recorder)
        await self._release(list(self._claimed.values()))


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass
