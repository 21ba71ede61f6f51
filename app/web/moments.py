"""Times on pages: the filter `moment`, in the reader's time zone, and the zone that a page is rendered in.

Templates' macros are imported without the page's context, so the zone is set around the rendering of a whole page
(app/web/pages.py). Without one a page is in UTC.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo

from markupsafe import Markup

from app.core.zones import Kind, in_words

_zone: ContextVar[tzinfo] = ContextVar("reader_zone", default=UTC)


@contextmanager
def reading_in(zone: tzinfo) -> Iterator[None]:
    """Render times in this zone until the block ends."""
    before = _zone.set(zone)
    try:
        yield
    finally:
        _zone.reset(before)


def moment(at: datetime | str, kind: Kind = "minute") -> Markup:
    """A time, or its RFC 3339 text, in the reader's zone; exact in UTC in the title and for machines."""
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S}", in_words(at, _zone.get(), kind)
    )
