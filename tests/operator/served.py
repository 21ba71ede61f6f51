"""The running desk for browsers, and the gateway's services for set-up."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
from litestar import Litestar

from app.web.edge import Edge
from app.wiring import Services
from tests.factories.merchants import terms
from tests.factories.operators import Operator as Staff
from tests.factories.withdrawals import fund
from tests.identity.browsing import Account, Browser, an_account

BASE = "https://pay.example.test"


@dataclass
class Served:
    """A running app. `gateway` is another process's, on the same database."""

    app: Edge
    services: Services
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self, address: str = "192.0.2.7") -> Browser:
        """A browser with cookies of its own."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(address, 1))
        client = httpx.AsyncClient(transport=transport, base_url=BASE, headers={"User-Agent": "Test Browser"})
        self._clients.append(client)
        return Browser(client)

    async def account(self, email: str, *, totp: bool = True, is_operator: bool = True) -> Account:
        """A new account."""
        return await an_account(self.services.settings, email, totp=totp, is_operator=is_operator)

    async def signed_in(self, account: Account) -> Browser:
        """A browser in which this account has just signed in."""
        browser = self.browser()
        await browser.sign_in(account)
        return browser

    async def merchant(self, amount_raw: int = 100_000_000) -> str:
        """A merchant with this much USDT, in minor units."""
        merchant = await terms(service_fee_bps=80)
        await fund(merchant.merchant_id, amount_raw)
        return merchant.merchant_id

    async def aclose(self) -> None:
        """Close browsers and the second gateway's connections."""
        for client in self._clients:
            await client.aclose()
        await self.services.addresses.close()
        await self.services.outbound.aclose()
        await self.services.networks.aclose()


def staff_of(account: Account) -> Staff:
    """The same person as an `Operator`, for factories."""
    assert account.totp_secret is not None
    return Staff(account.id, account.email, account.totp_secret)


def desk_routes(app: Edge) -> Iterator[tuple[str, str]]:
    """Every (method, path template) below `/desk` that the app has."""
    litestar: Litestar = app._app
    for route in litestar.routes:
        if route.path == "/desk" or route.path.startswith("/desk/"):
            for method in getattr(route, "methods", ()):
                if method != "OPTIONS":
                    yield method, route.path
