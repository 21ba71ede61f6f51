"""A shop with the plug-in, over https on loopback: PHP, and doubles of WordPress and WooCommerce."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from app.core.outbound import build_ssl_context
from app.sandbox.tls import Certificates
from tests.woocommerce.php import PLUGIN, TIMEOUT_S, script


class Shop:
    """A running shop: what a customer and its people do there."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url
        self.webhook_url = f"{url}/?wc-api=swap_pay"
        self._client = client

    async def save_settings(self, **settings: str) -> list[tuple[str, str]]:
        """Save the settings page. Returns what it shows: kind and words."""
        fields = {"enabled": "1", "expires_in": "60", "cases": "hold", "late": "hold", "title": "Crypto"} | settings
        shown = await self._ask(
            "settings", form={f"woocommerce_swap_pay_{name}": value for name, value in fields.items()}
        )
        return [(str(kind), str(words)) for kind, words in shown]

    async def order(self, total: str) -> dict[str, Any]:
        """A new order that waits for its payment."""
        made: dict[str, Any] = await self._ask("create", json={"total": total, "currency": "EUR"})
        return made

    async def read(self, order_id: int) -> dict[str, Any]:
        """An order with its notes."""
        found: dict[str, Any] = await self._ask("order", order=order_id)
        return found

    async def press_pay(self, order_id: int) -> dict[str, Any]:
        """Press the checkout's button. Returns what WooCommerce does next."""
        pressed: dict[str, Any] = await self._ask("pay", order=order_id)
        return pressed

    async def come_back(self, order: dict[str, Any]) -> str:
        """Come back from the payment page. Returns where the shop leads to."""
        query = {"wc-api": "swap_pay_return", "order": order["id"], "key": order["key"]}
        answer = await self._client.get(f"{self.url}/", params=query)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["Location"])

    async def press_refund(self, order_id: int, amount: str) -> bool | str:
        """Press refund. Returns whether it was requested, or why not."""
        pressed: bool | str = await self._ask("refund", order=order_id, amount=amount)
        return pressed

    async def open(self, url: str) -> httpx.Response:
        """Open a page of the shop."""
        return await self._client.get(url)

    async def send(self, url: str, fields: dict[str, str]) -> httpx.Response:
        """Send a form."""
        return await self._client.post(url, data=fields)

    async def box(self, order_id: int) -> str:
        """The box on the order's page."""
        return str(await self._ask("box", order=order_id))

    async def settings_form(self) -> str:
        """The form of the settings page."""
        return str(await self._ask("form"))

    async def log(self) -> list[str]:
        """WooCommerce's log."""
        return [str(line) for line in await self._ask("log")]

    async def _ask(self, what: str, json: Any = None, form: dict[str, str] | None = None, **query: Any) -> Any:
        url = f"{self.url}/?{urlencode({'fake': what, **query})}"
        answer = await self._client.post(url, json=json, data=form)
        assert answer.status_code == 200, answer.text
        try:
            return answer.json()
        except ValueError:
            raise AssertionError(answer.text) from None


@contextmanager
def serving(version: str, entry: Path, folder: Path, certificates: Certificates) -> Iterator[str]:
    """A site whose requests run one PHP file. Yields its address; what PHP complains about is printed."""
    command = [*script("serve.mjs"), version, str(entry), str(PLUGIN), f"{folder}/shop.sqlite"]
    command += [str(certificates.cert_path), str(certificates.key_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the shop did not start"
        yield f"https://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        process.wait(TIMEOUT_S)


def client(certificates: Certificates) -> httpx.AsyncClient:
    """A browser that knows the shop's certificate and follows no redirect by itself."""
    return httpx.AsyncClient(verify=build_ssl_context(certificates.ca_path), timeout=TIMEOUT_S)


def fields_of(page: str, name: str) -> str:
    """The value of a hidden field."""
    return page.split(f'name="{name}" value="')[1].split('"', maxsplit=1)[0]
