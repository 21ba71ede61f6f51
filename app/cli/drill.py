"""`swap-pay drill restore`: restore a backup in another place, and see what it lacks. docs/backups.md."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
import msgspec

from app.cli.environment import plain_errors, settings
from app.core import clock, logging
from app.core.clock import rfc3339
from app.drill import figures, run
from app.drill.refusal import DrillRefused
from app.drill.report import Report
from app.drill.run import Wanted

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)

MARKS = {"ok": "ok  ", "note": "note", "act": "DO  ", "bad": "BAD "}

SIGNING = {
    "may start": "Signing may start: the chains have nothing of ours that the copy lacks.",
    "must wait": "Signing must wait: do what is marked DO on the copy, in this order, then start the signer.",
    "must not start": "Signing must not start: what is marked BAD is wrong, or could not be found out.",
}


class NotRestored(click.ClickException):
    """Nothing was restored. Its exit code differs from that of a copy with faults."""

    exit_code = 2


@click.group()
def drill() -> None:
    """Try a backup, before it is needed; and restore it, when it is."""


@drill.command()
@click.option("--base", type=FOLDER, required=True, help="The base backup, unpacked.")
@click.option("--archive", type=FOLDER, help="The folder that archive_command writes segments of WAL to.")
@click.option("--restore-command", help="Instead of --archive: what fetches a segment, with %f and %p as in Postgres.")
@click.option(
    "--to",
    "moment",
    default="latest",
    show_default=True,
    help="The moment: `latest`, `1 minute ago`, or a time such as 2026-11-29T12:00:00Z.",
)
@click.option("--target", type=FOLDER, required=True, help="An empty folder, or a new one, for the copy.")
@click.option("--port", type=click.IntRange(1, 65_535), help="The copy's port on 127.0.0.1; a free one by default.")
@click.option("--programs", type=FOLDER, help="The folder of Postgres's programs; that of its packages by default.")
@click.option("--journal", type=FILE, envvar="SIGNER_JOURNAL_FILE", help="The signer's journal, or a copy of it.")
@click.option("--no-journal", is_flag=True, help="The signer of this deployment has none.")
@click.option("--published", type=FILE, help="What /.well-known/swap-pay/checkpoints has answered, saved earlier.")
@click.option("--metrics-file", type=FILE, help="Where to write figures for the node exporter, such as drill.prom.")
@click.option("--keep", is_flag=True, help="Let the copy run, to attach transactions in it and to go on with it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def restore(
    base: Path,
    archive: Path | None,
    restore_command: str | None,
    moment: str,
    target: Path,
    port: int | None,
    programs: Path | None,
    journal: Path | None,
    no_journal: bool,
    published: Path | None,
    metrics_file: Path | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Restore a backup to a moment in another place, check it, and compare it with the chains.

    The live database and Redis are not touched: DATABASE_URL gives the role and the database's name, no more. Nothing
    is signed, and no webhook or email is sent. Exits with 0 if everything was found and has a way back, 1 if something
    is wrong or could not be found out, 2 if nothing could be restored.
    """
    if (archive is None) == (restore_command is None):
        raise click.UsageError("give either --archive or --restore-command")
    if (journal is None) != no_journal:
        raise click.UsageError("give --journal, or --no-journal where the signer has none")
    wanted = Wanted(
        base=base,
        archive=archive,
        restore_command=restore_command,
        moment=moment,
        target=target,
        port=port,
        programs=programs,
        journal=journal,
        published=published,
    )
    report = _drill(wanted, metrics_file, keep=keep)
    click.echo(msgspec.json.encode(report).decode() if as_json else "\n".join(_lines(report)))
    sys.exit(0 if report.is_complete else 1)


def _drill(wanted: Wanted, metrics_file: Path | None, *, keep: bool) -> Report:
    of_the_environment = settings()
    logging.configure(level="ERROR", json=of_the_environment.log_format == "json")
    with plain_errors(), _plain_refusals(), _ended_in_order():
        prepared = run.prepare(wanted, clock.now())
        report = run.begun(prepared.moment)
        made = run.restore(prepared, report, _say)
        kept = False
        try:
            asyncio.run(run.examine(of_the_environment, prepared, made, report, _say))
            kept = keep
            report.kept = run.how_to_reach(made, of_the_environment) if keep else None
            if metrics_file is not None:
                figures.write(metrics_file, report)
        finally:
            if not kept:
                made.remove()
    return report


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """End by SIGTERM as by Ctrl-C: the copy's Postgres is stopped, and the copy deleted."""

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(what: str) -> None:
    click.echo(f"{what} …", err=True)


@contextmanager
def _plain_refusals() -> Iterator[None]:
    try:
        yield
    except DrillRefused as error:
        raise NotRestored(str(error)) from None


def _lines(report: Report) -> Iterator[str]:
    """The report for people."""
    yield f"Restored to:       {_time(report.moment) if report.moment else 'the end of the archive'}"
    yield f"Last transaction:  {_time(report.last_transaction_at)}"
    yield f"RPO:               {_seconds(report.rpo_s)} of transactions, up to the begin of this drill"
    yield f"RTO:               {_seconds(report.rto_s)} until everything was checked ({_parts(report)})"
    yield ""
    width = max((len(each.name) for each in report.tables), default=0)
    for table in report.tables:
        newest = f"  newest {_time(table.newest_at)}" if table.newest_at else ""
        if table.rows:
            yield f"{table.name:{width}}  {table.rows:>12,} rows{newest}"
    yield ""
    topics = max((len(each.topic) for each in report.lines), default=0)
    for line in report.lines:
        yield f"{MARKS[line.state]}  {line.topic:{topics}}  {line.message}"
    yield ""
    if report.kept:
        yield f"The copy is kept. {report.kept}"
    yield SIGNING[report.signing]


def _parts(report: Report) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_seconds(value)}" for name, value in report.durations_s.items())


def _time(moment: datetime | None) -> str:
    return "none" if moment is None else rfc3339(moment)


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} s"
