"""How soon 500 open lists of the cabinet show a change, and what they cost: `python -m bench.open_lists`.

A page is here what `live.js` makes of it: a stream that stays open, and after a notice one read of the page itself, at
a random moment within the time that the script leaves for it. All pages are full lists of invoices; a change is an
invoice that is made. First all pages are of one merchant, so that each change concerns all of them, then of
MERCHANTS. The generator runs on the same machine and takes its share of the cores.

*Event* is the time from the invoice's commit to the page's notice, *shown* that to the page that offers the new row.
"""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from datetime import timedelta

from app.accounts import service as accounts
from app.accounts import sessions
from app.core import clock
from app.core.settings import load
from app.identity import cookies
from app.invoices.creation import NewInvoice
from app.merchants import service as merchants
from app.merchants.terms import PriceTerms, Terms
from app.wiring import Services, running, wire
from bench.pages import allow_files, memory_of, percentile_ms, request
from bench.report import Report
from bench.stack import Stack, running_stack

PAGES = int(os.environ.get("BENCH_PAGES", "500"))
PEOPLE = 10
MERCHANTS = 50
ROWS = 25
CHANGES = 5
GATHER_S, SPREAD_S = 0.1, 0.2
"""As in static/js/live.js."""

PROXY_CONNECTIONS, KEPT_ALIVE_S = 64, 5
GIVE_UP_S = 30.0
PRICES = PriceTerms(("EUR",))


@dataclass
class Page:
    """An open page: whose it is, how many rows wait behind its link, and when it heard and showed the last change."""

    path: str
    cookie: dict[str, str]
    head: str = ""
    newer: int = 0
    event_at: float = 0.0
    shown_at: float = 0.0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


def main() -> None:
    """Print the figures."""
    allow_files(PAGES + 500)
    with Report("open_lists") as report, running_stack() as stack:
        asyncio.run(_measure(stack, report))


async def _measure(stack: Stack, report: Report) -> None:
    async with running(wire(load(stack.environment))) as services:
        people = [await _person(services, number) for number in range(PEOPLE)]
        tokens = [token for token, _ in people]
        shops = [stack.merchant_id, *[await _merchant(services, number) for number in range(MERCHANTS - 1)]]
        for shop in shops:
            for _, account_id in people:
                await merchants.add_member(shop, account_id, "owner", clock.now())
            await _make(services, shop, ROWS)
        await _scenario(stack, report, services, "one merchant", shops[:1], tokens)
        await _scenario(stack, report, services, f"{MERCHANTS} merchants", shops, tokens)


async def _scenario(
    stack: Stack, report: Report, services: Services, name: str, shops: list[str], tokens: list[str]
) -> None:
    port = int(stack.base_url.rpartition(":")[2])
    proxy, before = Proxy(port), memory_of(stack).resident
    pages = [
        Page(
            f"/cabinet/{shops[number % len(shops)]}/test",
            {"Cookie": f"{cookies.SESSION}={tokens[number // len(shops) % PEOPLE]}"},
        )
        for number in range(PAGES)
    ]
    async with asyncio.TaskGroup() as group:
        for page in pages:
            await _read(page, proxy)
        listening = [group.create_task(_listen(page, port, proxy)) for page in pages]
        await asyncio.sleep(2)
        each_kb = (memory_of(stack).resident - before) / len(pages) / 1000
        report.add(f"{name}, memory that an open list adds", each_kb, "kB", better="lower")
        events: list[float] = []
        shown: list[float] = []
        cpu = stack.cpu_s()
        for change in range(1, CHANGES + 1):
            shop = shops[change % len(shops)]
            those = [page for page in pages if f"/{shop}/" in page.path]
            await _make(services, shop, 1)
            committed_at = time.monotonic()
            await asyncio.gather(*(_until(page, page.newer + 1) for page in those))
            events += [page.event_at - committed_at for page in those]
            shown += [page.shown_at - committed_at for page in those]
            await asyncio.sleep(0.5)
        told = f"{name}, a change of {len(shown) // CHANGES} lists"
        for what, seconds in (("told", events), ("shown", shown)):
            for percent in (50, 99):
                took_ms = percentile_ms(seconds, percent)
                report.add(f"{told}, {what}, p{percent}", took_ms, "ms", better="lower")
        for process, now_s in stack.cpu_s().items():
            used_ms = (now_s - cpu[process]) / CHANGES * 1000
            report.add(f"{told}, CPU, {process}", used_ms, "ms", better="lower")
        for task in listening:
            task.cancel()
    proxy.close()


async def _listen(page: Page, port: int, proxy: "Proxy") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request("GET", f"{page.path}/live?topic=invoices&topic=reviews", page.cookie))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head
        while line := await reader.readline():
            if line.startswith(b"event: changed"):
                page.event_at = time.monotonic()
                await asyncio.sleep(GATHER_S + random.random() * SPREAD_S)
                await _read(page, proxy)
    finally:
        writer.close()


async def _read(page: Page, proxy: "Proxy") -> None:
    headers = page.cookie | {"HX-Request": "true", "X-Live-Parts": "results"}
    query = f"?head={page.head}" if page.head else ""
    status, body = await proxy.send("GET", f"{page.path}/invoices{query}", headers)
    assert status == 200, (status, body[:300])
    page.head = body.partition(b'data-head="')[2].partition(b'"')[0].decode()
    words = body.partition(b'data-say="')[2].partition(b" new invoice")[0]
    page.newer = int(words) if words.isdigit() else 0
    page.shown_at = time.monotonic()
    page.changed.set()


async def _until(page: Page, newer: int) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while page.newer < newer:
            page.changed.clear()
            await page.changed.wait()


class Proxy:
    """Kept-alive connections to the web processes, like those of a reverse proxy.

    One that was idle for KEPT_ALIVE_S is not used again: the gateway closes silent connections (docs/proxy.md).
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._room = asyncio.Semaphore(PROXY_CONNECTIONS)
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """One request over any connection; status and body."""
        async with self._room:
            reader, writer = await self._connection()
            writer.write(request(method, path, headers))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            self._idle.append((time.monotonic(), reader, writer))
        return int(head.split(b" ", 2)[1]), body

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < KEPT_ALIVE_S:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Close what is idle."""
        for _, _, writer in self._idle:
            writer.close()


# --- What is there before ----------------------------------------------------------------------------------


async def _person(services: Services, number: int) -> tuple[str, str]:
    """A signed-in person: the token of their session, and their account."""
    made = await accounts.create(
        services.settings.data_keys,
        email=f"person{number}@example.test",
        name="Person",
        password="correct horse battery",
        is_operator=False,
        now=clock.now(),
    )
    _, token = await sessions.open_session(made.id, code_given=True, address="", user_agent="", now=clock.now())
    return token, made.id


async def _merchant(services: Services, number: int) -> str:
    made = await merchants.create(name=f"Shop {number}", service_fee_bps=80, fee_payer="merchant", now=clock.now())
    await merchants.enable_all_assets(made, services.networks)
    return made


async def _make(services: Services, merchant_id: str, count: int) -> None:
    its = Terms(merchant_id, "test", 80, "merchant", prices=PRICES)
    for _ in range(count):
        new = NewInvoice(amount="5.00", currency="USDT", chain="ethereum", expires_in=timedelta(hours=1))
        await services.invoice_creation.create(its, new, None, clock.now())


if __name__ == "__main__":
    main()
