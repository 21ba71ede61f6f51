"""The web process of the sandbox: the app, a wallet that pays on the press of a button, and the gallery."""

from typing import Any

from app import asgi
from app.core import gc_tuning
from app.core.settings import load
from app.sandbox import gallery
from app.sandbox.wallet import SandboxWallet
from app.wiring import Services


def serve() -> Any:
    """The ASGI application. Reads settings from the environment. Raises SettingsError, ValueError outside a sandbox."""
    app = asgi.create_app(load(), wallet=_wallet, sandbox_routes=gallery.routes)
    gc_tuning.settle()
    return app


def _wallet(services: Services) -> SandboxWallet:
    return SandboxWallet(services.invoices)
