"""The web process of the sandbox: the app itself, a wallet that pays at the press of a button, and the gallery."""

from typing import Any

from app import asgi
from app.core import garbage
from app.core.settings import load
from app.gateway import Gateway
from app.sandbox import gallery
from app.sandbox.wallet import SandboxWallet


def serve() -> Any:
    """The ASGI application, by settings from the environment. Raises SettingsError, ValueError outside a sandbox."""
    app = asgi.create_app(load(), wallet=_wallet, sandbox_routes=gallery.routes)
    garbage.settle()
    return app


def _wallet(gateway: Gateway) -> SandboxWallet:
    return SandboxWallet(gateway.invoices)
