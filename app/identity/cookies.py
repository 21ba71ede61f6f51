"""Our cookies. All are `__Host-`: only this very host can set them, never a neighbour or a plain connection.

Browsers take such cookies on http://127.0.0.1 and http://localhost too, which is where the sandbox is (Chromium and
Firefox do; Safari does not).
"""

from datetime import timedelta
from typing import Any

SESSION = "__Host-swap_pay_session"
"""The token of somebody who is signed in."""

VISIT = "__Host-swap_pay_visit"
"""The token of somebody who is not, for the forms that sign people in; after a right password it waits for a code."""

FLASH = "__Host-swap_pay_flash"
"""A sentence for the next page."""


def put(request: Any, name: str, value: str, *, lifetime: timedelta | None = None) -> None:
    """Send a cookie with the answer to `request`, whatever that will be. Without a lifetime the browser's session."""
    cookie = f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
    if lifetime is not None:
        cookie += f"; Max-Age={max(0, int(lifetime.total_seconds()))}"
    sent: list[bytes] = request.scope["state"].setdefault("cookies", [])
    sent[:] = [other for other in sent if not other.startswith(f"{name}=".encode())]
    sent.append(cookie.encode())


def drop(request: Any, name: str) -> None:
    """Take a cookie out of the browser."""
    put(request, name, "", lifetime=timedelta())
