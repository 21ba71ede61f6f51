"""Following a merchant's events from the feed, in their order and without a gap.

Events are numbered without gaps, under a lock, after their commit; so whoever asks for what comes after the last number
that he has misses nothing, whatever was restarted meanwhile. The place is that number and nothing else.
"""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import click
import httpx
import msgspec

from app.cli.merchant_api import MerchantApi, Pauses, Unavailable

POLL_S = 1.0
"""Seconds between two looks at a feed that is at its end, at least; twice as many with a usual key's limit."""

OWN_SHARE = 2
"""A follower uses at most 1/OWN_SHARE of what its key may ask in a minute: the shop's server may use the same key."""

PAGE = 100
"""Events of one request, the most that the API gives."""

LATE_COMMIT = timedelta(minutes=5)
"""Events are dated before their commit and numbered after it: the two orders may differ by this time."""


class Event(msgspec.Struct, frozen=True):
    """An event of the feed; `body` has the very bytes that a webhook sends."""

    event_id: str
    seq: int
    type: str
    created_at: datetime
    data: dict[str, Any]
    body: bytes = b""

    @property
    def subject(self) -> str:
        """The id of what it is about, such as `INV-0123456789`."""
        return str(self.data.get(f"{self.type.partition('.')[0]}_id") or self.data.get("id") or "–")


class _Page(msgspec.Struct):
    data: list[msgspec.Raw]
    next_cursor: str | None


def newest_seq(api: MerchantApi) -> int:
    """The number of the newest event; 0 if there is none."""
    newest, _ = _events(api.get("/events", limit=1))
    return newest[0].seq if newest else 0


def seq_before(api: MerchantApi, since: datetime) -> int:
    """The number after which all events since a time come; an older one may be among them."""
    cursor, before = None, None
    while True:
        page: dict[str, str | int] = {"limit": PAGE} if cursor is None else {"limit": PAGE, "cursor": cursor}
        answer = api.get("/events", **page)
        events, cursor = _events(answer)
        wanted = [event.seq for event in events if event.created_at >= since]
        if wanted:
            before = min(wanted) - 1
        elif before is None and events:
            before = events[0].seq
        if cursor is None or not events or events[-1].created_at < since - LATE_COMMIT:
            return before or 0


def one_event(api: MerchantApi, event_id: str) -> Event:
    """One event by its id."""
    return _event(api.get(f"/events/{event_id}").content)


class Follower:
    """Reads the feed forward from a number. `say` gets lines about outages, and about what is no longer kept."""

    def __init__(self, api: MerchantApi, after_seq: int, say: Callable[[str], None]) -> None:
        self.after_seq = after_seq
        """The last number that was given out."""
        self._api = api
        self._say = say

    def events(self) -> Iterator[Event]:
        """Every event from now on, without end. A number counts as given out when the next event is asked for."""
        while True:
            answer = self._answer()
            found, _ = _events(answer)
            for event in found:
                if event.seq > self.after_seq + 1:
                    self._say(f"events {self.after_seq + 1} to {event.seq - 1} are no longer kept")
                yield event
                self.after_seq = event.seq
            if len(found) < PAGE:
                time.sleep(_pause_s(answer))

    def _answer(self) -> httpx.Response:
        """The next page, however long the gateway is away. Raises ClickException where it refuses."""
        pauses, was_away = Pauses(), False
        while True:
            try:
                answer = self._api.get("/events", after_seq=self.after_seq, limit=PAGE)
            except Unavailable as error:
                pause_s = pauses.after(error)
                self._say(f"{error}; trying again in {pause_s:.0f} s")
                was_away = True
                time.sleep(pause_s)
            else:
                if was_away:
                    self._say(f"connected again; going on after event {self.after_seq}")
                return answer


def _pause_s(answer: httpx.Response) -> float:
    """How long to wait before the next look, by what the key's limit leaves."""
    limit, remaining, reset_s = (
        _number(answer, name) for name in ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
    )
    if limit is None or remaining is None or reset_s is None:
        return POLL_S
    if remaining <= limit // OWN_SHARE:  # others use the key too: leave them the rest of this minute
        return max(POLL_S, min(reset_s, 60))
    return max(POLL_S, 60 * OWN_SHARE / limit)


def _number(answer: httpx.Response, name: str) -> int | None:
    text = answer.headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else None


def _events(answer: httpx.Response) -> tuple[list[Event], str | None]:
    try:
        page = msgspec.json.decode(answer.content, type=_Page)
    except msgspec.MsgspecError:
        raise click.ClickException(f"{answer.request.url.host} gave no list of events: is it a Swap Pay?") from None
    return [_event(bytes(raw)) for raw in page.data], page.next_cursor


def _event(body: bytes) -> Event:
    try:
        return msgspec.structs.replace(msgspec.json.decode(body, type=Event), body=body)
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"the feed has an event that this version can't read: {error}") from None
