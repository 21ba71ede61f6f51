"""Whether the copy is whole: migrations, triggers, ledgers, invariants, checkpoints, rows."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from app.core.settings import Settings
from app.doctor import postgres
from app.drill import repository
from app.drill.refusal import DrillRefused
from app.drill.report import Line, TableCount
from app.ledger import checkpoints_repository
from app.reconciliation import invariants
from app.reconciliation.snapshot import snapshot


async def schema() -> list[Line]:
    """Whether the copy has the schema of this version, with its triggers. Not inside a transaction."""
    found = [*[each async for each in postgres.migrations()], *[each async for each in postgres.guards()]]
    return [Line(each.topic, "ok" if each.severity == "ok" else "bad", each.message) for each in found]


async def tables() -> tuple[list[TableCount], datetime | None]:
    """The rows of every table, and when the newest one was made."""
    async with snapshot():
        return await repository.table_counts(), await repository.newest_row_at()


async def ledgers(settings: Settings, now: datetime) -> list[Line]:
    """Re-compute every ledger and every invariant that needs the database alone."""
    lines = []
    async with snapshot():
        for result in await invariants.all_of_them(settings.checkpoint_keys, now, full=True):
            if not result.findings:
                figures = ", ".join(f"{name} {figure}" for name, figure in result.figures.items())
                lines.append(Line(result.check, "ok", figures or "holds"))
            lines += [Line(each.check, "bad", f"{each.subject}: {each.message}") for each in result.findings]
    return lines


def read_published(path: Path) -> dict[int, str]:
    """Published checkpoints from a file, their hashes by number. Raises DrillRefused for one that is not the answer of
    `/.well-known/swap-pay/checkpoints`."""
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        return {int(each["checkpoint"]["number"]): str(each["hash"]) for each in answer["data"]}
    except OSError as error:
        raise DrillRefused(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise DrillRefused(f"{path} is not what /.well-known/swap-pay/checkpoints answers") from None


async def checkpoints(published: Mapping[int, str] | None) -> list[Line]:
    """Compare the copy's checkpoints with those that were published, given as hashes by number."""
    latest = await checkpoints_repository.latest()
    ours = 0 if latest is None else latest.number
    if published is None:
        note = f"the newest is {ours}; not compared with published ones (--published)"
        return [Line("checkpoints", "note", note)]
    other, same = [], 0
    for number, published_hash in sorted(published.items()):
        if number <= ours:
            known = await checkpoints_repository.get(number)
            if known is not None and known.hash == published_hash:
                same += 1
            else:
                other.append(number)
    lines = [Line("checkpoints", "ok", f"{same} are those that were published, up to {ours}")] if same else []
    if other:
        lines.append(Line("checkpoints", "bad", f"{', '.join(map(str, other))} differ from what was published"))
    if later := [number for number in published if number > ours]:
        lines.append(
            Line("checkpoints", "note", f"{len(later)} were published after the newest of the copy: they are lost")
        )
    if not lines:
        lines.append(Line("checkpoints", "note", "none is published yet"))
    return lines
