"""Checks of Postgres: migrations, triggers, role, durability, standbys, clock."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from app.core import clock, database, resources
from app.core.migrations import module_name
from app.doctor.symptoms import Symptom

MAX_CLOCK_SKEW = timedelta(seconds=2)
"""Expiry, leases and signatures compare this host's clock with times that other hosts wrote."""

MIN_VERSION = 140_000

_OWN_SOURCES = ("database", "user", "database user")
"""Where a setting for these alone is shown to come from in pg_settings; the server's own file has the rest."""

GUARDS = (
    ("ledger_entries", "ledger_entries_append_only"),
    ("ledger_entries", "ledger_entry_continues_chain"),
    ("ledger_heads", "ledger_heads_kept"),
    ("ledger_heads", "ledger_head_follows_entries"),
    ("ledger_heads", "ledger_head_starts_empty"),
    ("audit_entries", "audit_entries_append_only"),
    ("case_notes", "case_notes_append_only"),
    ("ledger_checkpoints", "ledger_checkpoints_append_only"),
    ("ledger_checkpoint_leaves", "ledger_checkpoint_leaves_append_only"),
    ("checkpoint_keys", "checkpoint_keys_append_only"),
    ("used_rates", "used_rates_append_only"),
)
"""The triggers that protect the ledgers and the audit log (migrations "guards")."""


async def examine(*, production: bool) -> AsyncIterator[Symptom]:
    """Check the database that the pool is connected to."""
    async for symptom in migrations():
        yield symptom
    async for symptom in guards():
        yield symptom
    async for symptom in _role():
        yield symptom
    async for symptom in _durability(production=production):
        yield symptom
    async for symptom in _standbys():
        yield symptom
    before, theirs, after = clock.now(), await database.fetch_value("SELECT clock_timestamp()"), clock.now()
    skew = max(before - theirs, theirs - after, timedelta())
    if skew > MAX_CLOCK_SKEW:
        yield Symptom("unsafe", "clock", f"this host and Postgres are {skew.total_seconds():.1f} s apart: run NTP")
    else:
        yield Symptom("ok", "clock", f"within {MAX_CLOCK_SKEW.total_seconds():g} s of Postgres")


async def migrations() -> AsyncIterator[Symptom]:
    """Whether the database has the schema of this version."""
    shipped = {path.stem for path in resources.MIGRATIONS.glob("swap_pay_*.py")}
    is_there = await database.fetch_value("SELECT to_regclass('migration') IS NOT NULL")
    rows = await database.fetch_all("SELECT name FROM migration WHERE app_name = 'swap_pay'") if is_there else []
    applied = {module_name(row["name"]) for row in rows}
    missing, unknown = shipped - applied, applied - shipped
    if missing:
        yield Symptom("unsafe", "migrations", f"{len(missing)} are missing: run swap-pay migrate")
    if unknown:
        yield Symptom("unsafe", "migrations", f"{len(unknown)} are of a newer version than this code")
    if not missing and not unknown:
        yield Symptom("ok", "migrations", f"all {len(shipped)} applied")


async def guards() -> AsyncIterator[Symptom]:
    """Whether the triggers that protect the books are in force."""
    rows = await database.fetch_all(
        """
        SELECT c.relname, t.tgname, t.tgenabled::text AS enabled FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
        """
    )
    found = {(row["relname"], row["tgname"]): row["enabled"] for row in rows}
    bad = [name for table, name in GUARDS if found.get((table, name)) not in ("O", "A")]
    if bad:
        yield Symptom("unsafe", "triggers", f"missing or disabled: {', '.join(bad)}. Reconcile in full, then restore")
    else:
        yield Symptom("ok", "triggers", f"all {len(GUARDS)} guards are in force")
    if await database.fetch_value("SHOW session_replication_role") != "origin":
        yield Symptom("unsafe", "triggers", "session_replication_role is not origin: triggers don't fire")


async def _role() -> AsyncIterator[Symptom]:
    row = await database.fetch_one(
        """
        SELECT current_user AS name, r.rolsuper, r.rolbypassrls, r.rolreplication,
            EXISTS (SELECT FROM pg_tables WHERE tableowner = current_user AND tablename = 'ledger_entries') AS owns,
            inet_server_addr() IS NOT NULL AND NOT inet_server_addr() <<= '127.0.0.0/8'
                AND NOT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS in_the_clear
        FROM pg_roles r WHERE r.rolname = current_user
        """
    )
    assert row is not None
    if row["rolsuper"]:
        yield Symptom("unsafe", "role", f"{row['name']} is a superuser: it can disable the ledgers' triggers")
    elif row["owns"]:
        yield Symptom(
            "warning",
            "role",
            f"{row['name']} owns the ledgers and can disable their triggers: use a role"
            " that doesn't (docs/operations.md)",
        )
    else:
        yield Symptom("ok", "role", f"{row['name']} can't disable triggers")
    if row["in_the_clear"]:
        yield Symptom("warning", "connection", "Postgres is on another host and the connection is not TLS")


async def _durability(*, production: bool) -> AsyncIterator[Symptom]:
    names: Sequence[str] = ("fsync", "full_page_writes", "synchronous_commit", "archive_mode", "max_connections")
    rows = await database.fetch_all("SELECT name, setting, source FROM pg_settings WHERE name = ANY($1)", list(names))
    values = {row["name"]: row["setting"] for row in rows}
    sources = {row["name"]: row["source"] for row in rows}
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if values[name] == "off":
            by = f" (set for the {sources[name]})" if sources[name] in _OWN_SOURCES else ""
            yield Symptom(
                "unsafe" if production else "warning", "durability", f"{name} is off{by}: a crash loses money"
            )
    if values["archive_mode"] == "off":
        yield Symptom("warning", "backups", "archive_mode is off: without WAL no point-in-time recovery is possible")
    if await database.fetch_value("SELECT current_setting('server_version_num')::int") < MIN_VERSION:
        yield Symptom("unsafe", "version", "PostgreSQL 14 or newer is needed")
    if int(values["max_connections"]) < 100:
        yield Symptom(
            "advice", "connections", f"max_connections is {values['max_connections']}: see docs/operations.md"
        )


async def _standbys() -> AsyncIterator[Symptom]:
    """What a fail-over would find. Details of other sessions are shown only to roles with pg_read_all_stats."""
    row = await database.fetch_one(
        """
        SELECT current_setting('synchronous_standby_names') AS wanted,
            current_setting('synchronous_commit') AS commits,
            pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
            (SELECT count(*) FROM pg_stat_replication) AS streaming,
            (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS synchronous
        """
    )
    assert row is not None
    if row["wanted"]:
        if row["commits"] in ("local", "remote_write"):
            yield Symptom(
                "unsafe",
                "standbys",
                f"synchronous_commit is {row['commits']}: a fail-over loses payments that were answered",
            )
        elif not row["sees_all"]:
            yield Symptom(
                "advice", "standbys", "whether one is synchronous can't be seen: GRANT pg_read_all_stats to this role"
            )
        elif not row["synchronous"]:
            yield Symptom(
                "warning", "standbys", "no synchronous standby is connected: commits wait until one is (docs/ha.md)"
            )
        else:
            yield Symptom("ok", "standbys", f"{row['synchronous']} of {row['streaming']} synchronous")
    elif row["streaming"]:
        yield Symptom(
            "warning",
            "standbys",
            f"{row['streaming']} connected, none synchronous: a fail-over loses what was answered last (docs/ha.md)",
        )
