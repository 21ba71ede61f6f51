"""The least that Litestar can do: the limit that our routes are measured against."""

from litestar import Litestar, get


@get("/", sync_to_thread=False)
def nothing() -> None:
    """An empty answer."""


app = Litestar([nothing], openapi_config=None, logging_config=None)
