"""Example shops beside the sandbox: their environment, TLS in front of their webhooks, a shop that dies."""

import json
import ssl
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.sandbox import shops, tls
from app.sandbox.home import Home, ShopEndpoint
from app.sandbox.integrator import wait_for
from app.sandbox.shops import Kind, Shop

SHOP = textwrap.dedent(
    """
    import json, os
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer({name: value for name, value in os.environ.items() if name.startswith(("S", "P"))})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.answer({"path": self.path, "body": body.decode()})

        def answer(self, content):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

    HTTPServer(("127.0.0.1", int(os.environ["SHOP_PORT"])), Handler).serve_forever()
    """
)
ENDPOINT = ShopEndpoint("WH-0000000001", "whsec_of_the_shop")
PATIENCE_S = 30


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop of the examples of `tmp_path`, beside one whose packages are missing and one without a folder."""
    monkeypatch.setattr(shops, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setattr(shops, "RESTART_PAUSE_S", 0)
    for name in ("corner", "bare"):
        (tmp_path / "examples" / name).mkdir(parents=True)
    (tmp_path / "examples" / "corner" / "shop.py").write_text(SHOP)
    corner = Kind("corner", 8010, lambda folder: [sys.executable, "shop.py"])
    bare = Kind("bare", 8010, lambda folder: None)
    monkeypatch.setattr(shops, "KINDS", (bare, corner, Kind("gone", 8010, corner.command)))
    assert shops.present() == [corner]
    shop = Shop(corner, Home(tmp_path / "var"), tls.ensure(tmp_path / "tls"))
    yield shop
    shop.stop()


def test_a_shop_has_all_it_needs_and_its_webhooks_come_by_https(shop: Shop, tmp_path: Path) -> None:
    trusted = httpx.Client(verify=ssl.create_default_context(cafile=tmp_path / "tls" / "ca.pem"), trust_env=False)
    # Before it is up, a webhook is refused; the gateway sends it again.
    with pytest.raises(httpx.TransportError):
        trusted.post(shop.webhook_url, content=b"too early")
    shop.start("http://localhost:8000", "sspay_sec_test_x", ENDPOINT)
    environment = wait_for("the shop", lambda: answer_of(shop), PATIENCE_S)
    assert (
        environment.items()
        >= {
            "SWAP_PAY_URL": "http://localhost:8000",
            "SWAP_PAY_KEY": "sspay_sec_test_x",
            "SWAP_PAY_WEBHOOK_SECRET": "whsec_of_the_shop",
            "SHOP_URL": shop.url,
            "SHOP_DATA": str(tmp_path / "var" / "shops" / "corner"),
        }.items()
    )
    body = json.dumps({"large": "x" * 300_000})
    received = trusted.post(shop.webhook_url, content=body.encode()).json()
    assert received == {"path": "/webhooks/swap-pay", "body": body}
    assert shop.interface(ENDPOINT).endpoint_id == "WH-0000000001"


def test_a_shop_that_dies_is_reported_once_and_started_again(shop: Shop) -> None:
    shop.start("http://localhost:8000", "sspay_sec_test_x", ENDPOINT)
    wait_for("the shop", lambda: answer_of(shop), PATIENCE_S)
    assert shop.revive() is False
    assert shop._process is not None
    shop._process.kill()
    assert shop.revive() is True
    assert shop.revive() is False
    wait_for("the shop to be there again", lambda: answer_of(shop), PATIENCE_S)


def answer_of(shop: Shop) -> dict[str, str] | None:
    """What the shop's page says; None while it does not answer."""
    try:
        answer: dict[str, str] = httpx.get(shop.url, trust_env=False).json()
    except httpx.TransportError:
        return None
    return answer
