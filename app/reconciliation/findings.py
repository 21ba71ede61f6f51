"""What a check has to say: what it counted, and each thing that does not hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Figure = int | str | list[str] | None
"""Counts and heights are numbers; raw amounts are strings of digits, as everywhere in JSON."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold, or, with `is_drift` false, one that could not be checked.

    `subject` names it in a few words (a deposit, a ledger, an asset) and is the same each time it is found.
    """

    check: str
    subject: str
    message: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    is_drift: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one check: its figures, also where all is well, and its findings."""

    check: str
    figures: Mapping[str, Figure]
    findings: list[Finding] = field(default_factory=list)
