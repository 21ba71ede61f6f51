"""Targets of redirects: only paths on our own site."""

from urllib.parse import quote, urlsplit

MAX_LENGTH = 1_000


def is_own(path: str) -> bool:
    """Whether every browser reads this as a path on the same site.

    `//host` and `/\\host` are other hosts, a tab or line break within is dropped before a browser looks.
    """
    if not path.startswith("/") or path.startswith("//") or len(path) > MAX_LENGTH:
        return False
    if "\\" in path or not path.isascii() or not path.isprintable() or " " in path:
        return False
    parts = urlsplit(path)
    return not parts.scheme and not parts.netloc


def own(path: str | None, default: str) -> str:
    """`path` if it is on our site, else `default`."""
    return path if path and is_own(path) else default


def with_next(path: str, next_path: str | None) -> str:
    """`path` with `next_path` as its `?next=`; without it where that is on another site, or too long once quoted."""
    remembering = f"{path}?next={quote(own(next_path, ''), safe='/')}"
    return remembering if own(next_path, "") and is_own(remembering) else path
