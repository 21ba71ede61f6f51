"""How the tables would be spread over many hosts by Citus, and what of today's keys and statements would not allow it.

`python -m pytest tests/core/test_distribution.py` compares what is read from the database with docs/growth.md.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import asyncpg

DISTRIBUTED: Mapping[str, str] = MappingProxyType(
    {
        "announced_transactions": "",
        "audit_entries": "merchant_id",
        "event_heads": "merchant_id",
        "events": "merchant_id",
        "idempotency_records": "merchant_id",
        "invoice_figures": "merchant",
        "invoices": "merchant",
        "payment_links": "merchant",
        "quotes": "",
        "webhook_attempts": "",
        "webhook_deliveries": "merchant_id",
        "webhook_endpoints": "merchant",
        "webhook_queues": "",
        "worths": "merchant",
    }
)
"""What grows with payments and belongs to one merchant: the column that says whose it is; empty where none does yet."""

REFERENCE = ("assets", "merchants", "used_rates")
"""On every host: small, and distributed tables refer to them."""

LOCAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "money: ledgers, payments and the chain are booked in one transaction, and their keys are those of a chain": (
            "account_transactions", "approval_signatures", "approvals", "change_addresses", "checkpoint_keys", "coins",
            "consolidation_policies", "dear_sweep_approvals", "deposit_addresses", "deposits", "energy_loans",
            "fee_looks", "frozen_addresses", "hot_wallet_looks", "hot_wallet_receipts", "ledger_checkpoint_leaves",
            "ledger_checkpoints", "ledger_entries", "ledger_heads", "network_cursors", "network_fees", "node_outages",
            "outgoing_claims", "outgoing_payments", "outgoing_transactions", "payouts", "pool_transactions", "refunds",
            "resource_looks", "return_addresses", "reviews", "scanned_blocks", "signer_approvers", "signer_presence",
            "stake_requests", "sweep_candidates", "sweep_marks", "transfer_looks", "wallet_nonces",
            "withdrawal_holds", "withdrawal_previews", "withdrawals",
        ),
        "people and settings: thousands of rows, of no one merchant or read before the merchant is known": (
            "accounts", "answered_challenges", "api_key_decoys", "api_key_holders", "api_keys", "deprecated_calls",
            "email_choices",
            "form_uses", "former_members", "half_sign_ins", "kept_forms", "known_browsers", "mailed_links",
            "memberships", "merchant_applications", "merchant_assets", "merchant_branding", "merchant_invitations",
            "passkeys", "recovery_codes", "saved_filters", "sessions", "switches", "throttles", "totp_attempts",
        ),
        "operations: of the gateway itself, or gone after a while": (
            "alert_notifications", "alerts", "background_job_parts", "background_jobs", "case_notes",
            "invoice_figures_kept", "mail_outbox", "merchant_notices", "migration", "rate_refreshes", "rate_rounds",
            "rate_sources", "reconciliation_findings", "reconciliation_runs",
        ),
    }
)  # fmt: skip
"""On one host, by why."""

_KEYS = """
    SELECT t.relname::text AS table, c.relname::text AS name,
        (SELECT array_agg(coalesce(a.attname::text, '(expression)') ORDER BY k.n)
            FROM unnest(i.indkey::int[]) WITH ORDINALITY k (number, n)
            LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number) AS columns
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indisunique AND t.relnamespace = 'public'::regnamespace AND NOT t.relispartition ORDER BY 1, 2
"""

_FOREIGN_KEYS = """
    SELECT t.relname::text AS table, r.relname::text AS referred, k.conname::text AS name,
        (SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY(k.conkey)) AS columns
    FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid
    WHERE k.contype = 'f' AND NOT t.relispartition AND NOT r.relispartition ORDER BY 1, 2, 3
"""

_TRIGGERS = """
    SELECT t.relname::text AS table, g.tgname::text AS name FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
    WHERE NOT g.tgisinternal AND NOT t.relispartition ORDER BY 1, 2
"""

_NULLABLE = """
    SELECT 1 FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2 AND NOT attnotnull
"""


def place_of(table: str) -> str:
    """`distributed`, `reference` or `local`. Raises KeyError for a table that nobody has placed."""
    if table in DISTRIBUTED:
        return "distributed"
    if table in REFERENCE:
        return "reference"
    if any(table in tables for tables in LOCAL.values()):
        return "local"
    raise KeyError(f"{table}: say in tests/distribution.py whether it is distributed, reference or local")


async def to_change(connection: asyncpg.Connection) -> list[str]:
    """What Citus would refuse of the schema as it is, a line each, by table."""
    found: list[str] = []
    for table, column in DISTRIBUTED.items():
        if not column:
            found.append(f"`{table}` has no column of the merchant")
        elif await connection.fetchval(_NULLABLE, table, column):
            found.append(f"`{table}.{column}` may be null")
    found += [
        f"`{row['table']}`: unique key `{row['name']}` ({', '.join(row['columns'])})"
        for row in await connection.fetch(_KEYS)
        if row["table"] in DISTRIBUTED and DISTRIBUTED[row["table"]] not in row["columns"]
    ]
    for row in await connection.fetch(_FOREIGN_KEYS):
        here, there = place_of(row["table"]), place_of(row["referred"])
        together = here == there == "distributed" and DISTRIBUTED[row["table"]] in row["columns"]
        if "distributed" in (here, there) and there != "reference" and not together:
            found.append(f"`{row['table']}`: foreign key to `{row['referred']}` ({', '.join(row['columns'])})")
    found += [
        f"`{row['table']}`: trigger `{row['name']}`"
        for row in await connection.fetch(_TRIGGERS)
        if row["table"] in DISTRIBUTED
    ]
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a statement reads or writes of distributed tables: the verb, and the tables in order of their names."""

    verb: str
    tables: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.verb} {', '.join(self.tables)}"


def reach(sql: str) -> Reach | None:
    """What a statement touches of the distributed tables; None where it touches none, or goes to one merchant's host.

    It goes to one host where it compares the merchant's column with a value, or inserts one of its rows by itself.
    """
    text = " ".join(re.sub(r"--.*", "", sql).replace('"', "").split())
    named = re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+(?:ONLY )?(\w+)", text)
    tables = tuple(sorted({name for name in named if name in DISTRIBUTED}))
    if not tables or not any(verb in text for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")):
        return None
    compared = re.search(r"\bmerchant(?:_id)? = (?:\$\d|:)", text) is not None
    inserted = re.match(r"INSERT INTO \w+ \([^)]*\bmerchant(?:_id)?\b[^)]*\) VALUES", text) is not None
    if (compared or inserted) and all(DISTRIBUTED[table] for table in tables):
        return None
    changed = {verb for verb in ("INSERT", "UPDATE", "DELETE") if re.search(rf"\b{verb}\b(?! OF)", text)} - (
        {"UPDATE"} if "FOR UPDATE" in text and "SET " not in text else set()
    )
    return Reach("+".join(sorted(changed)) or "SELECT", tables)


def lines(items: Iterable[str]) -> str:
    """A list of Markdown."""
    return "\n".join(f"- {item}" for item in items)
