"""The results of the doctor's checks: one line each, with a severity."""

from typing import Literal

import msgspec

Severity = Literal["ok", "advice", "warning", "unsafe"]

ORDER: tuple[Severity, ...] = ("unsafe", "warning", "advice", "ok")

EXIT_CODES = {"ok": 0, "advice": 0, "warning": 1, "unsafe": 2}


class Symptom(msgspec.Struct, frozen=True):
    """The result of one check. `unsafe`: money or secrets are at risk now; `warning`: they may be later, or something
    does not work; `advice`: an improvement. The message says what to do, and never contains a secret."""

    severity: Severity
    topic: str
    message: str


def exit_code(symptoms: list[Symptom]) -> int:
    """The exit code of the most severe symptom; 0 without any."""
    return max((EXIT_CODES[symptom.severity] for symptom in symptoms), default=0)
