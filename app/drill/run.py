"""A whole drill: restore, check, read the chains, judge.

`examine` works on the copy alone: its services have the copy's database, no Redis, and a counter of their own for
requests to nodes. It loads no key and starts no worker, so nothing is signed, and no webhook or email is sent.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec

from app.core import clock, database
from app.core.settings import Settings
from app.drill import backup, books, chains, copy, moments, verdict
from app.drill.backup import Archive, Base
from app.drill.copy import Copy, Place
from app.drill.refusal import DrillRefused
from app.drill.report import Line, Report
from app.mail import sealing
from app.networks import assets
from app.networks.throttle import LocalThrottle
from app.reconciliation.snapshot import STATEMENT_TIMEOUT_S
from app.signer import journal
from app.signer.journal import Entry, JournalError
from app.wiring import Services, wire

Say = Callable[[str], None]
"""Called with what begins now, for people who wait."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for. Without `archive`, `restore_command` fetches the segments. `journal` is None where the
    deployment's signer has none. `published`: checkpoints, as they were published."""

    base: Path
    archive: Path | None
    restore_command: str | None
    moment: str
    target: Path
    port: int | None
    programs: Path | None
    journal: Path | None
    published: Path | None


class Prepared(msgspec.Struct, frozen=True):
    """What was found to be possible, before anything is copied."""

    base: Base
    archive: Archive
    place: Place
    moment: datetime | None
    journal: Sequence[Entry]
    published: Mapping[int, str] | None


def prepare(wanted: Wanted, now: datetime) -> Prepared:
    """Check everything that can be checked before anything is copied. Raises DrillRefused."""
    moment = moments.parse_moment(wanted.moment, now)
    try:
        entries = [] if wanted.journal is None else journal.living_entries(wanted.journal)
    except JournalError as error:
        raise DrillRefused(f"the journal {error}: without it nobody knows what was signed last") from None
    base = backup.read_base(wanted.base)
    if wanted.archive is not None:
        archive = backup.read_archive(wanted.archive, base)
    else:
        archive = Archive(wanted.restore_command or "")
    published = None if wanted.published is None else books.read_published(wanted.published)
    place = copy.place_for(base, wanted.target, wanted.port, wanted.programs)
    return Prepared(base, archive, place, moment, entries, published)


def restore(prepared: Prepared, report: Report, say: Say) -> Copy:
    """Restore the copy, with what is to be said of it in the report. Raises DrillRefused."""
    begun_s = clock.monotonic_s()
    say("checking the base backup")
    report.lines.append(Line("base backup", "ok", backup.check_files(prepared.base, prepared.place.programs)))
    report.durations_s["base_backup_checked"] = clock.monotonic_s() - begun_s
    begun_s = clock.monotonic_s()
    say("copying it, and replaying the archive")
    made = copy.restore(prepared.base, prepared.archive, prepared.place, prepared.moment)
    report.durations_s["restored"] = clock.monotonic_s() - begun_s
    report.last_transaction_at = made.last_transaction_at
    report.lines += [Line("archive", "note", note) for note in made.notes]
    if prepared.archive.missing:
        gap = backup.gap_in_words(prepared.archive.missing)
        report.lines.append(Line("archive", "bad", f"{gap}: nothing can be restored to a later moment"))
    elif prepared.archive.newest_at is not None:
        behind_s = max((report.began_at - prepared.archive.newest_at).total_seconds(), 0.0)
        report.lines.append(Line("archive", "ok", f"no gap; its newest segment is {behind_s:.0f} s old"))
    return made


async def examine(settings: Settings, prepared: Prepared, made: Copy, report: Report, say: Say) -> None:
    """Check the copy and read the chains into it; the report then has everything."""
    on_copy = replace(settings, database_url=made.dsn(settings.database_url), database_read_url=None)
    async with _on_the_copy(on_copy) as services:
        begun_s = clock.monotonic_s()
        say("checking the books")
        schema = await books.schema()
        report.lines += schema
        report.tables, newest_at = await books.tables()
        report.last_transaction_at = report.last_transaction_at or newest_at
        fits = all(line.state == "ok" for line in schema)
        if fits:
            report.lines += await books.ledgers(settings, clock.now())
            report.lines += await books.checkpoints(prepared.published)
        report.durations_s["books_checked"] = clock.monotonic_s() - begun_s
        if report.last_transaction_at is not None:
            report.rpo_s = max((report.began_at - report.last_transaction_at).total_seconds(), 0.0)
        begun_s = clock.monotonic_s()
        if fits:
            say("reading the chains from where the backup ends")
            await assets.sync(services.networks)
            report.networks = await chains.read(services, prepared.journal, clock.now())
        report.durations_s["chains_read"] = clock.monotonic_s() - begun_s
        verdict.judge(report, services.networks)
    report.rto_s = sum(report.durations_s.values())
    report.finished_s = clock.now().timestamp()
    report.base_backup_s = prepared.base.began_at.timestamp() if prepared.base.began_at else None


@asynccontextmanager
async def _on_the_copy(settings: Settings) -> AsyncIterator[Services]:
    """Services whose database is the copy. Redis is not opened: notices have nowhere to go."""
    services = wire(settings, LocalThrottle())
    await database.open_pool(settings.database_url, max_size=5, limit_each_wait_s=STATEMENT_TIMEOUT_S)
    sealing.use_keys(settings.data_keys)
    try:
        yield services
    finally:
        await services.addresses.close()
        await services.outbound.aclose()
        await services.rates.aclose()
        await services.networks.aclose()
        await database.close_pool()


def begun(moment: datetime | None) -> Report:
    """A report that begins now."""
    return Report(began_at=clock.now(), moment=moment)


def how_to_reach(made: Copy, settings: Settings) -> str:
    """How to reach and stop a copy that was kept, in words."""
    data, name = made.place.data, settings.database_url.rpartition("/")[2].partition("?")[0]
    return (
        f"PostgreSQL runs on 127.0.0.1:{made.place.port}, database {name}, with the roles and passwords of the backup."
        f" Its files are in {data}. Stop it with: {made.place.programs / 'pg_ctl'} -D {data} stop"
    )
