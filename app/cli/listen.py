"""`swap-pay listen`: a merchant's events as they come, for a developer whose machine the gateway can't reach."""

import fnmatch
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

import click

from app.cli import forwarding
from app.cli.following import Event, Follower, newest_seq, seq_before
from app.cli.forwarding import Answer, LocalServer
from app.cli.merchant_api import MerchantApi, api_options, local_options, opened, patiently, trusting
from app.core import clock
from app.events.types import EVENT_TYPES, TEST

DEFAULT_TRIES = 4
"""Of each event: after 1, 2 and 4 seconds it is sent again, then skipped."""

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@click.command()
@click.option("--forward-to", metavar="URL", help="Send each event there, signed.")
@click.option("--events", "wanted", metavar="TYPES", help="Only these, such as invoice.paid,refund.*")
@click.option("--print", "prints", is_flag=True, help="Print each body as a line of JSON; the table goes to stderr.")
@click.option("--since", metavar="WHEN", help="Past ones first: 15m, 2h or 1d, or a time: 2026-01-31T09:30:00Z.")
@click.option("--after-seq", type=click.IntRange(0), metavar="N", help="Go on after event number N.")
@click.option(
    "--tries",
    type=click.IntRange(1, forwarding.MAX_TRIES),
    default=DEFAULT_TRIES,
    show_default=True,
    help="How often an event is sent that your server does not accept; then it is skipped.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N events.")
@local_options
@api_options
def listen(
    forward_to: str | None,
    wanted: str | None,
    prints: bool,
    since: str | None,
    after_seq: int | None,
    tries: int,
    count: int | None,
    allow_http: bool,
    ca_file: Path | None,
    secret: str | None,
    url: str | None,
    key: str | None,
) -> None:
    """Show your merchant's events as they come, and send them to a server on your machine.

    It needs SWAP_PAY_URL and SWAP_PAY_KEY, a key with the scope events.read. Events come in their order. Ctrl-C ends
    it, and says where to go on.
    """
    if since is not None and after_seq is not None:
        raise click.UsageError("give one of --since and --after-seq")
    filter = _filter(wanted)
    api = opened(url, key, allow_http=allow_http, ca_file=ca_file)
    server = None
    if forward_to is not None:
        server = LocalServer(forward_to, secret, allow_http=allow_http, trust=trusting(ca_file))
    begin = _begin(api, since, after_seq)
    table = Table(prints=prints)
    if server is not None:
        table.say(server.greeting)
    table.say(f"Listening to {api.url} after event {begin}. Ctrl-C ends it.")
    table.head()
    session = _Session(Follower(api, begin, table.say), server, table, tries, prints)
    try:
        with _ended_by_signals():
            session.run(filter, count)
    except KeyboardInterrupt:
        pass
    finally:  # also where the gateway refuses, for instance since the key was revoked
        table.say(session.summary())
    if count is not None and session.skipped:
        sys.exit(1)


class Table:
    """Lines of aligned columns on standard output; on standard error where bodies are printed."""

    def __init__(self, *, prints: bool) -> None:
        self._to_errors = prints

    def say(self, line: str) -> None:
        """A line between the rows."""
        click.secho(line, dim=True, err=self._to_errors)

    def head(self) -> None:
        """The names of the columns."""
        click.secho(_row("time", "seq", "event", "object", "answer", "ms"), bold=True, err=self._to_errors)

    def row(self, event: Event, answer: Answer | None = None, *, next_s: float | None = None, note: str = "") -> None:
        """One try, or an event that is only shown."""
        time, shown, ms = clock.now().astimezone().strftime("%H:%M:%S"), "", ""
        color = None
        if answer is not None:
            shown, ms = answer.shown, str(answer.duration_ms)
            color = "green" if answer.accepted else "yellow" if next_s is not None else "red"
            if not answer.accepted:
                note = (f"again in {next_s:.0f} s" if next_s is not None else "skipped") + (
                    f": {answer.text}" if answer.text else ""
                )
        line = _row(time, str(event.seq), event.type, event.subject, shown, ms, note)
        click.secho(line.rstrip(), fg=color, err=self._to_errors)


def _row(time: str, seq: str, type: str, subject: str, answer: str, ms: str, note: str = "") -> str:
    return f"{time:<8}  {seq:>6}  {type:<26}  {subject:<14}  {answer:<10}  {ms:>5}  {note}"


class _Session:
    """One run: what was done with which event."""

    def __init__(self, follower: Follower, server: LocalServer | None, table: Table, tries: int, prints: bool) -> None:
        self.skipped: list[str] = []
        self._follower = follower
        self._server = server
        self._table = table
        self._tries = tries
        self._prints = prints
        self._seen = 0

    def run(self, wanted: "list[re.Pattern[str]]", count: int | None) -> None:
        """Deal with events, without end or until so many were seen."""
        events = self._follower.events()
        for event in events:
            if wanted and not any(pattern.match(event.type) for pattern in wanted):
                continue
            self._deal_with(event)
            self._seen += 1
            if self._seen == count:
                self._follower.after_seq = event.seq
                return

    def summary(self) -> str:
        """What was done, and how to go on."""
        lines = [f"{self._seen} {'event' if self._seen == 1 else 'events'}"]
        if self._server is not None:
            lines[0] += f": {self._seen - len(self.skipped)} accepted, {len(self.skipped)} skipped"
        if self.skipped:
            assert self._server is not None
            lines.append(
                f"Send skipped ones again: swap-pay events resend --forward-to {self._server.url} "
                + " ".join(self.skipped)
            )
        lines.append(f"Go on from here: swap-pay listen --after-seq {self._follower.after_seq} …")
        return "\n".join(lines)

    def _deal_with(self, event: Event) -> None:
        if self._prints:
            click.echo(event.body)
        if self._server is None:
            self._table.row(event)
            return
        accepted = self._server.deliver(
            event, self._tries, lambda answer, next_s: self._table.row(event, answer, next_s=next_s)
        )
        if not accepted:
            self.skipped.append(event.event_id)


def _begin(api: MerchantApi, since: str | None, after_seq: int | None) -> int:
    """The number of the event after which to begin. Raises ClickException."""
    if since is not None:
        moment = _moment(since)
        return patiently(lambda: seq_before(api, moment))
    newest = patiently(lambda: newest_seq(api))
    if after_seq is not None and after_seq > newest:
        raise click.ClickException(f"--after-seq: the newest event is number {newest}")
    return newest if after_seq is None else after_seq


def _moment(text: str) -> datetime:
    """The time that is meant. Raises ClickException."""
    if ago := _AGO.fullmatch(text):
        return clock.now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.ClickException(
            f"--since: {text!r} is neither a span such as 15m, 2h or 1d nor a time such as 2026-01-31T09:30:00Z"
        ) from None
    return moment.astimezone()


def _filter(wanted: str | None) -> "list[re.Pattern[str]]":
    """The types that are wanted; none for all. Raises ClickException for one that matches nothing."""
    patterns = []
    for text in wanted.split(",") if wanted is not None else ():
        pattern = re.compile(fnmatch.translate(text.strip()))
        if not any(pattern.match(type) for type in (*EVENT_TYPES, TEST)):
            raise click.ClickException(
                f"--events: there is no {text.strip()!r}. There are {', '.join(sorted(EVENT_TYPES))}, {TEST}"
            )
        patterns.append(pattern)
    return patterns


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Inside, SIGTERM ends it as Ctrl-C does, also where a shell has its children ignore Ctrl-C."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
