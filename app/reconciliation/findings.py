"""The result of a check: its figures, and a finding for each rule that does not hold."""

from collections.abc import Mapping

import msgspec

Figure = int | str | list[str] | None
"""Counts and heights are numbers; raw amounts are strings of digits, as everywhere in JSON."""


class Finding(msgspec.Struct, frozen=True):
    """A rule that does not hold, or, with `is_drift` false, one that could not be checked.

    `subject` names the deposit, ledger or asset in a few words and is the same in every run.
    """

    check: str
    subject: str
    message: str
    figures: Mapping[str, Figure] = msgspec.field(default_factory=dict)
    is_drift: bool = True


class Result(msgspec.Struct, frozen=True):
    """The result of one check: its figures, also without findings, and its findings."""

    check: str
    figures: Mapping[str, Figure]
    findings: list[Finding] = msgspec.field(default_factory=list)
