"""The version in use goes on with the schema of this one, since both work side by side during an upgrade.

Its statements are in `released.json.gz` (`make record`, at each release). Each is prepared and planned by a database
that this version has migrated, and must mean the same there; and nothing may refuse a row that it writes.
"""

import asyncpg

from tests.upgrades import record
from tests.upgrades.schema import faults
from tests.upgrades.statements import statements

KEPT: dict[str, str] = {
    "ledger_entries.ledger_entry_continues_chain": "it asks of a statement what the trigger before asked of each row",
    "webhook_deliveries.id": "it takes the ids that Postgres gives; they become larger, and stay below 2^53",
}
"""New rules for rows, and changed columns, as `table.name`: why the version before keeps to each. A release empties
this."""

MODULES = ("app.alerts", "app.case_notes", "app.merchants", "app.events", "app.api_keys")

BAD = """
ALTER TABLE case_notes DROP COLUMN words;
ALTER TABLE saved_filters RENAME COLUMN query TO address;
ALTER TABLE alerts ADD COLUMN owner text NOT NULL;
ALTER TABLE alerts ALTER COLUMN note SET NOT NULL;
ALTER TABLE alerts ALTER COLUMN occurrences TYPE bigint;
ALTER TABLE alerts ADD CONSTRAINT alerts_short CHECK (length(message) < 100);
ALTER TABLE api_keys ALTER COLUMN attempt_series DROP DEFAULT;
ALTER TABLE switches DROP CONSTRAINT switches_pkey;
CREATE UNIQUE INDEX events_once ON events (subject_id, type);
"""
"""Each breaks the version before, in another way."""

NOTICED = (
    ("app.case_notes", 'column "words" of relation "case_notes" does not exist. What the version before still reads'),
    ("app.merchants.saved_filters", "query"),
    ("app.alerts", "alerts.owner is required and has no default. The version before must go on"),
    ("alerts.note becomes NOT NULL", "may write NULL"),
    ("app.alerts", "its row becomes (('id', 'int8')"),
    ("alerts.occurrences becomes bigint and was integer", "name it in KEPT"),
    ("alerts.alerts_short is new: CHECK", "name it in KEPT"),
    ("api_keys.attempt_series gets the default None and had 0", "name it in KEPT"),
    ("app.merchants", "no unique or exclusion constraint matching the ON CONFLICT"),
    ("events.events_once is new: CREATE UNIQUE INDEX ON", "name it in KEPT"),
)
"""How each fault begins, and what it says."""

GOOD = """
ALTER TABLE case_notes ADD COLUMN colour text, ADD COLUMN weight integer NOT NULL DEFAULT 0;
ALTER TABLE case_notes ALTER COLUMN account TYPE varchar(40);
CREATE TABLE shades (id bigint PRIMARY KEY, note bigint NOT NULL REFERENCES case_notes (id));
CREATE INDEX alerts_by_kind ON alerts (kind);
ALTER TABLE alerts DROP CONSTRAINT alerts_severity_known;
ALTER TABLE alerts ADD CONSTRAINT alerts_severity_wider CHECK (severity <> '');
"""


async def test_the_version_in_use_goes_on_with_this_schema(database_url: str) -> None:
    released = record.read()
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    try:
        assert await faults(connection, released, KEPT) == []
    finally:
        await connection.close()
    # The record is of a whole version: what writes to the main tables is in it.
    assert len(released.statements) > 900
    texts = " ".join(one.sql.replace('"', "") for one in released.statements)
    for table in ("invoices", "deposits", "ledger_entries", "events", "webhook_deliveries", "withdrawals", "api_keys"):
        assert f"INSERT INTO {table} (" in texts


async def test_what_would_stop_the_version_before_is_told(database_url: str) -> None:
    # Given a record of some modules of this version,
    some = {sql: module for sql, module in statements().items() if module.startswith(MODULES)}
    recorded, left_out = await record.record(database_url, some)
    assert len(recorded.statements) > 60
    assert len(left_out) < 5, left_out
    connection = await asyncpg.connect(database_url, statement_cache_size=0)
    try:
        # when a migration only adds, then it goes on; what looks like a new rule must be known to be kept.
        await connection.execute(GOOD)
        assert await faults(connection, recorded, ("alerts.alerts_severity_wider", "case_notes.account")) == []
        assert len(await faults(connection, recorded)) == 2
        # When others take away, then each is told.
        await connection.execute(BAD)
        found = await faults(connection, recorded)
    finally:
        await connection.close()
    for begins, says in NOTICED:
        assert any(fault.startswith(begins) and says in fault for fault in found), (begins, says, found)
