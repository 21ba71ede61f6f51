"""A drill's figures for Prometheus, as a file that the node exporter's textfile collector reads."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from app.drill.refusal import DrillRefused
from app.drill.report import Report


def write(path: Path, report: Report) -> None:
    """Write the figures of a finished drill; the file is replaced at once. Raises DrillRefused."""
    registry = CollectorRegistry()
    for name, text, value in (
        ("swap_pay_drill_finished_seconds", "When the last drill ended, as Unix time", report.finished_s),
        ("swap_pay_drill_complete", "1 if it has found everything", int(report.is_complete)),
        ("swap_pay_drill_rpo_seconds", "How much would have been lost", report.rpo_s),
        ("swap_pay_drill_rto_seconds", "How long it took until the copy was checked", report.rto_s),
        ("swap_pay_drill_base_backup_seconds", "When its base backup began, as Unix time", report.base_backup_s),
    ):
        if value is not None:
            Gauge(name, text, registry=registry).set(value)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise DrillRefused(f"{path} can't be written: {error.strerror}") from None
