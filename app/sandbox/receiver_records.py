"""The webhook receiver's records, and its configured behaviour."""

import os
import random
from collections import deque
from pathlib import Path
from typing import Annotated, Literal

import msgspec

# About 2 KB each: more than any demo or bench sends, and small enough for a small machine's memory.
_MAX_RECORDS = 200_000


class Record(msgspec.Struct, frozen=True):
    """One POST. Header names are in lower case; the body is text where it is UTF-8, else base64."""

    received_at: float  # Unix seconds
    path: str
    event_type: str | None  # of the header Swap-Pay-Event-Type
    headers: dict[str, str]
    body: str | None
    body_base64: str | None
    status: int  # the status of the answer
    verdict: Literal["accepted", "refused", "hung up"]


class Records:
    """The POSTs so far, the newest 200,000 of them, in memory and, if `store` is given, in that file too."""

    def __init__(self, store: Path | None) -> None:
        self._records: deque[Record] = deque(maxlen=_MAX_RECORDS)
        self._file: int | None = None
        if store is None:
            return
        store.parent.mkdir(parents=True, exist_ok=True)
        if store.exists():
            self._records.extend(_read(store))
        self._file = os.open(store, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, record: Record) -> None:
        """Add a record. It is in the file before the sender gets its answer, so a kill loses no acknowledged POST."""
        self._records.append(record)
        if self._file is not None:
            os.write(self._file, msgspec.json.encode(record) + b"\n")

    def find(self, *, path: str | None, event_type: str | None) -> list[Record]:
        """Records that match exactly, oldest first; None matches all."""
        return [
            record
            for record in self._records
            if path in (None, record.path) and event_type in (None, record.event_type)
        ]

    def clear(self) -> None:
        """Delete all, in the file too."""
        self._records.clear()
        if self._file is not None:
            os.ftruncate(self._file, 0)


def _read(store: Path) -> list[Record]:
    """The records of a file. An incomplete last line is removed."""
    content = store.read_bytes()
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        os.truncate(store, len(content) - len(torn))
    return [msgspec.json.decode(line, type=Record) for line in whole.splitlines()]


class Behaviour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The behaviour for POSTs to `path`: first the delay, then the random failure, then the answer."""

    path: str = "*"  # "*": every path without a behaviour of its own
    status: Annotated[int, msgspec.Meta(ge=0, le=599)] = 200  # 0: close the connection without an answer
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0  # before the answer
    fail_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0  # fraction of POSTs that get 500 instead
    drip_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0  # pause after each byte, head included
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None  # afterwards the earlier behaviour; None: unlimited
    headers: dict[str, str] = {}  # additional headers, such as Location
    body_bytes: Annotated[int, msgspec.Meta(ge=0, le=64 * 1024 * 1024)] = 0  # size of the body, which is filler


class Behaviours:
    """The active behaviour of each path."""

    def __init__(self, usual: Behaviour, dice: random.Random) -> None:
        self._usual = usual
        self._dice = dice
        self._permanent: dict[str, Behaviour] = {}
        self._temporary: dict[str, tuple[Behaviour, int]] = {}

    def set(self, behaviour: Behaviour) -> None:
        """Set the behaviour of its path; with `times`, for that many POSTs."""
        self._temporary.pop(behaviour.path, None)
        if behaviour.times is None:
            self._permanent[behaviour.path] = behaviour
        else:
            self._temporary[behaviour.path] = behaviour, behaviour.times

    def reset(self) -> None:
        """Reset to the behaviour of the command line."""
        self._permanent.clear()
        self._temporary.clear()

    def answer_for(self, path: str) -> Behaviour:
        """The behaviour for the next POST to `path`, with its random failure already decided."""
        behaviour = self._current(path)
        if behaviour.fail_rate and self._dice.random() < behaviour.fail_rate:
            return msgspec.structs.replace(behaviour, status=500)
        return behaviour

    def _current(self, path: str) -> Behaviour:
        for key in (path, "*"):
            if key in self._temporary:
                behaviour, left = self._temporary[key]
                if left == 1:
                    del self._temporary[key]
                else:
                    self._temporary[key] = behaviour, left - 1
                return behaviour
            if key in self._permanent:
                return self._permanent[key]
        return self._usual
