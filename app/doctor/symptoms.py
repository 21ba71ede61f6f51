"""What the doctor says: one line each, with how bad it is."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "advice", "warning", "unsafe"]

ORDER: tuple[Severity, ...] = ("unsafe", "warning", "advice", "ok")

EXIT_CODES = {"ok": 0, "advice": 0, "warning": 1, "unsafe": 2}


@dataclass(frozen=True, slots=True)
class Symptom:
    """One thing looked at. `unsafe`: money or secrets are at risk now; `warning`: they will be, or something does
    not work; `advice`: worth a thought. The message says what to do, and never repeats a secret."""

    severity: Severity
    topic: str
    message: str


def exit_code(symptoms: list[Symptom]) -> int:
    """Of the worst symptom."""
    return max((EXIT_CODES[symptom.severity] for symptom in symptoms), default=0)
