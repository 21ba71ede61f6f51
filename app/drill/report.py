"""What a drill has found: plain values, which the command prints as a table or as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from app.signer.missing import Missing

State = Literal["ok", "note", "act", "bad"]
"""`ok`: as it must be. `note`: to know. `act`: an operator must do something before the signer may start. `bad`: it is
wrong, or could not be found out."""


class Line(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    topic: str
    state: State
    message: str


class TableCount(msgspec.Struct, frozen=True):
    """The rows of a table, and when its newest row was made; None where the table says no time, or is empty."""

    name: str
    rows: int
    newest_at: datetime | None


class Found(msgspec.Struct, frozen=True):
    """Deposits of one kind that the chain has beyond the backup. `verdict` is that of app/deposits/matching.py."""

    asset: str
    verdict: str
    status: str
    count: int
    amount_raw: int


class NetworkReport(msgspec.Struct, kw_only=True):
    """What a network's chain knows beyond the backup.

    `backup_height`, `head_height`: the last block that the backup had read, and that was read now. `problem`: why the
    chain could not be read. `moves_attached`: transactions that only moved money between our own accounts, and were
    stored in the copy. `drift`: what the ledgers have otherwise than the chain.
    """

    network: str
    backup_height: int
    head_height: int | None = None
    problem: str | None = None
    deposits: Sequence[Found] = ()
    missing: Sequence[Missing] = ()
    moves_attached: int = 0
    drift: Sequence[str] = ()
    addresses_resting: int = 0
    addresses_left: int | None = None

    @property
    def must_be_attached(self) -> list[Missing]:
        """The transactions without which the signer would not go on, or would pay again."""
        return [each for each in self.missing if each.state != "nowhere"]


class Report(msgspec.Struct, kw_only=True):
    """A drill's whole result. Times in seconds; `moment` is None for the end of the archive.

    `rpo_s`: the time between the newest transaction of the copy and the drill's begin, all of which would be lost but
    for what the chain knows. `rto_s`: how long it took until the copy was checked. `durations_s` names its parts.
    `finished_s` is when the drill ended, `base_backup_s` when its base backup began, both as Unix time.
    """

    began_at: datetime
    moment: datetime | None
    last_transaction_at: datetime | None = None
    lines: list[Line] = []
    tables: Sequence[TableCount] = ()
    networks: Sequence[NetworkReport] = ()
    durations_s: dict[str, float] = {}
    rpo_s: float | None = None
    rto_s: float = 0.0
    finished_s: float | None = None
    base_backup_s: float | None = None
    signing: Literal["may start", "must wait", "must not start"] = "must not start"
    is_complete: bool = False
    """Whether everything was found, and has a way back."""
    kept: str | None = None
    """How to reach the copy, where it was kept."""
