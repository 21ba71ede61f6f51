"""Our cookies. All are `__Host-`: only this host can set them, and only over a secure connection.

Browsers take such cookies on http://127.0.0.1 and http://localhost too, which is where the sandbox is (Chromium and
Firefox do; Safari does not).
"""

from datetime import timedelta
from typing import Any

SESSION = "__Host-swap_pay_session"
"""The token of a session."""

VISIT = "__Host-swap_pay_visit"
"""The token of a browser in which nobody is signed in, for its forms. After a right password, the half sign-in's."""

BROWSER = "__Host-swap_pay_browser"
"""By what a browser is known at later sign-ins of its accounts. It gives no right (accounts/known_browsers.py)."""

FLASH = "__Host-swap_pay_flash"
"""A sentence for the next page."""

PLACE = "__Host-swap_pay_place"
"""The merchant and the mode in which somebody worked last, such as `MCH-…/test`: `/cabinet` leads there."""

PLACE_LIFETIME = timedelta(days=365)


def put(request: Any, name: str, value: str, *, lifetime: timedelta | None = None) -> None:
    """Send a cookie with the answer to `request`. Without a lifetime it ends when the browser is closed."""
    cookie = f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax"
    if lifetime is not None:
        cookie += f"; Max-Age={max(0, int(lifetime.total_seconds()))}"
    sent: list[bytes] = request.scope["state"].setdefault("cookies", [])
    sent[:] = [other for other in sent if not other.startswith(f"{name}=".encode())]
    sent.append(cookie.encode())


def drop(request: Any, name: str) -> None:
    """Delete a cookie in the browser."""
    put(request, name, "", lifetime=timedelta())
