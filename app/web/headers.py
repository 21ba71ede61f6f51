"""Security headers of every answer. A header that a response has already stays unchanged."""

from collections.abc import Sequence

from app.core.settings import Settings

Headers = list[tuple[bytes, bytes]]

API_VERSION = 1
"""The version that `/api/v1` is of, which every answer below `/api/` names (docs/versions.md)."""

API_PREFIX = "/api/"
"""Everything below it is JSON for programs; all other paths are pages."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Only our own scripts, styles and images: no inline, no eval, no frame (contract, section 7)."""

_NO_ANCESTORS = "frame-ancestors 'none'"

_NAMES_ANCESTORS = b"frame-ancestors http"
"""In an answer whose own policy names who may frame it."""

HSTS = "max-age=63072000"
"""Two years: what the HSTS preload list recommends. Only for our own host: subdomains may belong to others."""

SERVER = "web"
"""Granian adds its own name to an answer without a `Server` header, and has no option for none. RFC 9110, section
10.2.4 wants at least one product in it, so an empty one is no valid header: this names nothing."""

_PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()"

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": SERVER,
}
_ON_API = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Swap-Pay-Version": str(API_VERSION),
}
_ON_PAGES = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": _PERMISSIONS_POLICY,
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


class SecurityHeaders:
    """The headers of a deployment: HSTS is one of them if the public URL is https."""

    def __init__(self, settings: Settings) -> None:
        hsts = {"Strict-Transport-Security": HSTS} if settings.public_url.startswith("https://") else {}
        self._api = _encoded(_EVERYWHERE | _ON_API | hsts)
        self._pages = _encoded(_EVERYWHERE | _ON_PAGES | hsts)
        self._names = frozenset(name for name, _ in (*self._api, *self._pages))

    def missing(self, path: str, present: Sequence[tuple[bytes, bytes]]) -> Headers:
        """The headers to add to an answer at `path` that has `present` ones already. The list is not the caller's."""
        wanted = self._api if is_api(path) else self._pages
        if self._names.isdisjoint([name.lower() for name, _ in present]):
            return wanted
        own = {name.lower(): value for name, value in present}
        missing = [header for header in wanted if header[0] not in own]
        if _NAMES_ANCESTORS in own.get(b"content-security-policy", b""):
            return [header for header in missing if header[0] != b"x-frame-options"]
        return missing


def framed_by(origins: Sequence[str]) -> dict[str, str]:
    """The headers of a page that pages of exactly these origins may frame, and nobody else. X-Frame-Options can't name
    origins, so it is left out. A page that is itself isolated (COEP) may frame it too."""
    assert origins, "without an origin, nobody may frame a page"
    policy = CONTENT_SECURITY_POLICY.replace(_NO_ANCESTORS, f"frame-ancestors {' '.join(origins)}")
    return {"Content-Security-Policy": policy, "Cross-Origin-Resource-Policy": "cross-origin"}


def is_api(path: str) -> bool:
    """Whether a path is answered with JSON, also for errors."""
    return path.startswith(API_PREFIX) or path == "/api"


def _encoded(headers: dict[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
