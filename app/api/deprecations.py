"""What of the API will end: the one list, and how callers are told.

Each use is told in the answer's headers `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link`, in the OpenAPI
document and its page, and by email, at most once in 30 days (app/api_keys/deprecated_calls.py). What may change at all,
and how long what is deprecated goes on: docs/versions.md.
"""

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
from litestar.exceptions import ImproperlyConfiguredException

from app.api_keys.authentication import Principal
from app.api_keys.deprecated_calls import DeprecatedCalls
from app.core import clock

NOTICE = timedelta(days=365)
"""What is deprecated goes on at least this long (docs/versions.md)."""

HEADERS = "headers"
"""Where the scope's state has headers that the answer gets, whatever it is (app/web/edge.py)."""


class Deprecation(msgspec.Struct, frozen=True, kw_only=True):
    """An operation, or with `parameter` one parameter of its query or field of its body. `since` and `ends` are in UTC.
    `instead` is a sentence that says what to use. Raises ValueError where it would end too soon."""

    operation: str
    parameter: str | None = None
    since: datetime
    ends: datetime
    instead: str

    def __post_init__(self) -> None:
        if self.ends < self.since + NOTICE:
            raise ValueError(f"{self.name} would end less than {NOTICE.days} days after {self.since}")

    @property
    def name(self) -> str:
        """What is deprecated, in one word: `listInvoices` or `listInvoices.customer_email`."""
        return self.operation if self.parameter is None else f"{self.operation}.{self.parameter}"

    @property
    def sentence(self) -> str:
        """For the document."""
        return f"Deprecated since {self.since:%Y-%m-%d}, ends on {self.ends:%Y-%m-%d}. {self.instead}"


DEPRECATIONS: Sequence[Deprecation] = ()
"""All that is deprecated now. An entry goes when what it names is removed, and docs/changelog.md says both."""


class Watch:
    """What of one operation is deprecated, and who must be told that it was used."""

    def __init__(self, deprecations: Sequence[Deprecation], public_url: str, calls: DeprecatedCalls) -> None:
        self._deprecations = deprecations
        self._reference = f"{public_url}/docs/api"
        self._calls = calls
        self.parameters = frozenset(each.parameter for each in deprecations if each.parameter is not None)

    def note(self, state: MutableMapping[str, Any], principal: Principal, sent: Collection[str]) -> None:
        """Give the answer its headers, and have the merchant's people told, if a request with these parameters and
        fields uses what is deprecated."""
        used = [each for each in self._deprecations if each.parameter is None or each.parameter in sent]
        if not used:
            return
        state[HEADERS] = self._headers(used)
        now = clock.now()
        for each in used:
            self._calls.note(
                merchant_id=principal.merchant_id,
                mode=principal.mode,
                key_id=principal.key_id,
                name=each.name,
                facts={
                    "what": each.name,
                    "since": f"{each.since:%Y-%m-%d}",
                    "ends": f"{each.ends:%Y-%m-%d}",
                    "instead": each.instead,
                    "reference": f"{self._reference}#{each.operation}",
                },
                now=now,
            )

    def _headers(self, used: Sequence[Deprecation]) -> list[tuple[bytes, bytes]]:
        """With more than one in a request: the earliest moments."""
        since, ends = min(each.since for each in used), min(each.ends for each in used)
        link = f'<{self._reference}#{used[0].operation}>; rel="deprecation"; type="text/html"'
        return [
            (b"deprecation", b"@%d" % since.timestamp()),
            (b"sunset", format_datetime(ends, usegmt=True).encode()),
            (b"link", link.encode()),
        ]


def watches(public_url: str, calls: DeprecatedCalls) -> Mapping[str, Watch]:
    """A watch for each operation of which something is deprecated."""
    return {name: Watch(of(name), public_url, calls) for name in {each.operation for each in DEPRECATIONS}}


def of(operation: str) -> Sequence[Deprecation]:
    """What of an operation is deprecated."""
    return [each for each in DEPRECATIONS if each.operation == operation]


def refuse_unknown(known: Mapping[str, Collection[str]]) -> None:
    """Raise ImproperlyConfiguredException for an entry about no operation, or no parameter or field of it. `known` has
    the parameters and fields by operation."""
    for each in DEPRECATIONS:
        if each.operation not in known or (each.parameter is not None and each.parameter not in known[each.operation]):
            raise ImproperlyConfiguredException(f"{each.name} is deprecated, and is nothing of the API")
