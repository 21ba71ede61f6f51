"""Which routes may read from a standby: this list, so that what decides about money or a right is never among them."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from litestar import Litestar

from app.asgi import create_app
from app.core import clock, redis
from app.core.settings import Settings
from app.sandbox.home import ROOT
from app.web.standby_reads import COVERS, KEPT, OPT, Writes

API, CABINET, DESK = "/api/v1/merchant", "/cabinet/{merchant_id:str}/{mode:str}", "/desk"

FROM_STANDBY = {
    f"{API}/invoices": {"order_id"},
    f"{API}/payment-links": set(),
    f"{API}/payouts": set(),
    f"{API}/refunds": {"invoice_id"},
    f"{API}/ledger": set(),
    f"{API}/statements": set(),
    f"{API}/statements/{{month:str}}": set(),
    f"{API}/statements/{{month:str}}/entries": set(),
    CABINET: set(),
    f"{CABINET}/audit": set(),
    f"{CABINET}/events": set(),
    f"{CABINET}/exports/invoices": set(),
    f"{CABINET}/exports/invoices.csv": set(),
    f"{CABINET}/exports/ledger/{{name:str}}": set(),
    f"{CABINET}/exports/payouts": set(),
    f"{CABINET}/exports/payouts.csv": set(),
    f"{CABINET}/exports/refunds": set(),
    f"{CABINET}/exports/refunds.csv": set(),
    f"{CABINET}/exports/statements/{{name:str}}": set(),
    f"{CABINET}/invoices": set(),
    f"{CABINET}/ledger/{{name:str}}": set(),
    f"{CABINET}/payment-links": set(),
    f"{CABINET}/payouts": set(),
    f"{CABINET}/refunds": set(),
    f"{CABINET}/reports": set(),
    f"{CABINET}/search": set(),
    f"{CABINET}/search/found": set(),
    f"{CABINET}/statements": set(),
    f"{CABINET}/statements/{{month:str}}": set(),
    f"{CABINET}/statements/{{month:str}}/print": set(),
    f"{CABINET}/statements/{{month:str}}/{{name:str}}": set(),
    f"{DESK}/audit": set(),
    f"{DESK}/merchants": set(),
    f"{DESK}/search": set(),
    f"{DESK}/search/found": set(),
}
"""By the route: the parameters of a query with which it reads from the primary all the same. What one merchant's server
asks about one thing is as new as the primary, since it asks after a webhook or when the customer has come back; so are
`/events`, by which it closes gaps, and balances, by which it decides."""

USES = {
    "app/api/guard.py": "allow_key",
    "app/cabinet/guard.py": "allow_visitor",
    "app/identity/guard.py": "allow_visitor",
    "app/cabinet/works.py": "may_be_read",
    "app/monitoring/gauges.py": "standbys",
}
"""Who lets something read from a standby, beside the modules that offer it: guards, for the routes above; exports that
a worker prepares. And what is said of the standbys themselves."""

CALLS = r"\b(may_be_read|allow_key|allow_visitor|standby\.allow|(?<=standby\.)standbys)\("
OFFERS = ("app/core/standby.py", "app/web/standby_reads.py")


def declared(app: Litestar) -> Iterator[tuple[str, str, Any]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if OPT in handler.opt:
                for method in handler.http_methods:
                    yield method, route.path, handler.opt[OPT]


def test_every_read_from_a_standby_is_listed(settings: Settings) -> None:
    found = list(declared(create_app(settings)._app))
    assert {method for method, _, _ in found} == {"GET"}
    assert {path: set(unless) for _, path, unless in found} == FROM_STANDBY


def test_nothing_else_lets_anything_read_from_a_standby() -> None:
    found = {}
    for path in (path for folder in ("app", "workers") for path in (ROOT / folder).rglob("*.py")):
        used = set(re.findall(CALLS, path.read_text()))
        if used and str(path.relative_to(ROOT)) not in OFFERS:
            (found[str(path.relative_to(ROOT))],) = used
    assert found == USES


async def test_a_merchant_s_last_write_is_known_to_all_processes_and_costs_one_question_a_second(valkey: str) -> None:
    one, other, now = Writes(), Writes(), clock.now()
    await redis.client().config_resetstat()
    assert await one.last("MCH-1/test") is None
    for n in range(10):  # within the second that the first note covers
        at = now + n * COVERS / 10
        await one.note("MCH-1/test", at)
        for process in (one, other):
            known = await process.last("MCH-1/test")
            assert known is not None
            assert at <= known <= at + COVERS + timedelta(milliseconds=1)
    await other.note("MCH-1/test", now + timedelta(seconds=5))
    await one.note("MCH-2/test", now)
    seen = await one.last("MCH-1/test")
    assert seen is not None
    assert seen >= now + timedelta(seconds=5), "what another process was told later"
    counts = await redis.client().info("commandstats")
    assert counts["cmdstat_set"]["calls"] == 3
    assert 0 < await redis.client().pttl("wrote:MCH-1/test") <= KEPT.total_seconds() * 1000
