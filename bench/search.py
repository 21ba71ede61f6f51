"""The search of one merchant with a million invoices: `python -m bench.search`.

Each text is looked for as the search page does it, in a process of its own with one connection after the other; what is
printed is the time of the search alone, without the page around it.
"""

import argparse
import asyncio
import os
import secrets
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import asyncpg

from app.core import clock, database
from app.core.migrations import migrate
from app.core.settings import load
from app.invoices.creation_repository import COLUMNS
from app.merchants import service as merchants
from app.reports.search import Scope, search, wanted
from app.sandbox import postgres, processes, valkey
from app.wiring import Services, running, wire
from bench.stack import NETWORKS, environment_of

TIMES = 30
LIMIT = 6
"""Rows of each kind that the palette shows."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=1_000_000)
    home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
    server = postgres.start(home / "postgres")
    cache = valkey.start(home / "valkey")
    try:
        server.create_database("swap_pay")
        dsn = server.dsn("swap_pay")
        environment = environment_of(home, dsn, cache.url, NETWORKS)
        asyncio.run(migrate(dsn))
        asyncio.run(_measure(environment, parser.parse_args().invoices))
    finally:
        processes.stop_all()
        postgres.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


async def _measure(environment: dict[str, str], count: int) -> None:
    async with running(wire(load(environment))) as services:
        merchant_id = await merchants.create(name="Bench", service_fee_bps=80, fee_payer="merchant", now=clock.now())
        await merchants.enable_all_assets(merchant_id, services.networks)
        started = time.perf_counter()
        await _fill(environment["DATABASE_URL"], merchant_id, count)
        print(f"{count:,} invoices made in {time.perf_counter() - started:.0f} s; {TIMES} searches for each text")
        row = await database.fetch_one("SELECT * FROM invoices ORDER BY created_at OFFSET $1 LIMIT 1", count // 2)
        assert row is not None
        txid = await database.fetch_value("SELECT txid FROM deposits LIMIT 1")
        texts = {
            "whole id": row["id"],
            "beginning of an id": row["id"][:8].lower(),
            "two characters": row["id"][4:6],
            "end of an id": row["id"][-5:],
            "whole order id": row["order_id"],
            "beginning of all order ids": "order-",
            "end of an order id": row["order_id"][-6:],
            "customer id": row["customer_id"],
            "whole address": row["address"],
            "beginning of an address": row["address"][:8],
            "end of an address": row["address"][-6:],
            "cut address": f"{row['address'][:6]}…{row['address'][-4:]}",
            "whole transaction": txid,
            "beginning of a transaction": txid[:10],
            "end of a transaction": txid[-8:],
            "amount that many have": "49.90 USDT",
            "amount without a unit": "49.90",
            "exact amount of a payment": f"{row['pay_in_raw'] / 10**6:.6f}",
            "word of a description": "linen shirts",
            "email address": "mara@example.com",
            "nothing, in many places": "abcd12",
        }
        for name, text in texts.items():
            await _line(services, merchant_id, name, text)
    print(f"At the end {os.getloadavg()[0]:.1f} programs wanted to run, this one among them.")


async def _line(services: Services, merchant_id: str, name: str, text: str) -> None:
    scope = Scope(merchant_id=merchant_id, mode="test", events=True, endpoints=True, keys=True)
    hashed = services.invoice_creation.email_hash
    times_ms, found = [], 0
    for _ in range(TIMES):
        started = time.perf_counter()
        meant = wanted(text, services.networks, "test", hashed)
        findings = await search(services.invoice_reader, services.withdrawal_reader, scope, meant, limit=LIMIT)
        times_ms.append((time.perf_counter() - started) * 1000)
        found = findings.count
    times_ms.sort()
    print(
        f"  {name:28} {text[:26]:27} {statistics.median(times_ms):6.1f} ms, {times_ms[0]:.1f} to {times_ms[-1]:.1f},"
        f" {found} found",
        flush=True,
    )


async def _fill(dsn: str, merchant_id: str, count: int) -> None:
    """Invoices with ids, addresses and transactions that look like real ones, a tenth of them paid."""
    connection = await asyncpg.connect(dsn)  # of its own: a million rows take longer than the pool lets a statement run
    await connection.execute(
        """
        INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at, created_at)
        SELECT 'ethereum:test', n, '0x' || md5($2 || n) || substr(md5(n::text), 1, 8), 1, now(), now()
        FROM generate_series(1, $1::bigint) n
        """,
        count,
        secrets.token_hex(8),
    )
    columns = {
        "id": "'INV-' || translate(upper(substr(md5('id' || n), 1, 10)), 'AB', 'XY')",
        "merchant": "$2",
        "mode": "'test'",
        "status": "CASE WHEN n % 10 = 0 THEN 'paid' ELSE 'expired' END",
        "needs_review": "false",
        "network": "'ethereum:test'",
        "asset": "'USDT'",
        "amount_raw": "CASE WHEN n % 3 = 0 THEN 49900000 ELSE 1000000 + n * 10000 % 900000000 END",
        "service_fee_bps": "80",
        "service_fee_raw": "0",
        "fee_payer": "'merchant'",
        "cent_tail": "n % 100",
        "pay_in_raw": "CASE WHEN n % 3 = 0 THEN 49900000 ELSE 1000000 + n * 10000 % 900000000 END + n % 100",
        "net_raw": "CASE WHEN n % 3 = 0 THEN 49900000 ELSE 1000000 + n * 10000 % 900000000 END + n % 100",
        "deposit_address": "a.id",
        "address": "a.address",
        "confirmations_required": "3",
        "received_raw": "0",
        "refunded_raw": "0",
        "description": "'Order ' || n || ': two linen shirts'",
        "order_id": "'ORDER-2026-' || n",
        "holds_order_id": "n % 10 = 0",
        "customer_id": "'customer-' || n % 50000",
        "metadata": "'{}'",
        "expires_at": "now()",
        "created_at": "now() - (1000000 - n) * interval '1 second'",
        "accept_parts": "false",
    }
    assert set(columns) <= set(COLUMNS)
    await connection.execute(
        f"""
        INSERT INTO invoices ({", ".join(columns)}) SELECT {", ".join(columns.values())}
        FROM generate_series(1, $1::bigint) n
            JOIN deposit_addresses a ON a.network = 'ethereum:test' AND a.derivation_index = n
        """,
        count,
        merchant_id,
    )
    await connection.execute(
        """
        INSERT INTO deposits (id, network, txid, log_index, asset, deposit_address, from_address, amount_raw,
            block_height, block_hash, block_time, seen_at, status, verdict, invoice, settled_at)
        SELECT 'DEP-' || substr(i.id, 5), i.network, '0x' || md5(i.id) || md5(i.address), 0, i.asset, i.deposit_address,
            i.address, i.pay_in_raw, 1, '0x1', now(), now(), 'credited', 'exact', i.id, now()
        FROM invoices i WHERE i.status = 'paid'
        """
    )
    for table in ("invoices", "deposits", "deposit_addresses"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    await connection.close()


if __name__ == "__main__":
    main()
