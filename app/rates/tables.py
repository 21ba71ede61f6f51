"""Rates: what each refresh found, which of them were used, and how the sources are doing."""

from piccolo.columns import BigSerial, Numeric
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns

FIGURE_DIGITS, FIGURE_PLACES = 48, 24
"""Of a figure at rest: `numeric(48,24)`. One unit of the cheapest tokens is worth a millionth of a cent."""


def _figure(*, null: bool = False) -> Numeric:
    return Numeric(digits=(FIGURE_DIGITS, FIGURE_PLACES), default=None, null=null)


class RateRound(Table, tablename="rate_rounds"):
    """One refresh of all pairs. `slot` is the time by the interval between rounds, so each has one round, whichever
    process begins it. `finished_at` is null while it runs, or where its process ended before it did."""

    id = BigSerial(primary_key=True)
    slot = columns.big_number()
    started_at = columns.moment()
    finished_at = columns.moment(null=True)

    rate_rounds_slot_once = Unique(["slot"])


class RateRefresh(Table, tablename="rate_refreshes"):
    """What the last refresh of a minute found for a pair: a figure, or the reason why there is none.

    `sources` is JSON (`app.rates.repository`). `held_figure` is a figure that is too far from the one before it to be
    believed at once, `last_figure` the newest rate that there was. Deleted after a day.
    """

    id = BigSerial(primary_key=True)
    base = columns.words(16)
    quote = columns.words(3)
    minute = columns.moment()
    refreshed_at = columns.moment()
    figure = _figure(null=True)
    at = columns.moment(null=True)
    good_until = columns.moment(null=True)
    held_figure = _figure(null=True)
    last_figure = _figure(null=True)
    sources = columns.text()
    problem = columns.words(200, null=True)

    rate_refreshes_minute_once = Unique(["base", "quote", "minute"])
    rate_refreshes_figure_sane = Check("figure > 0 AND held_figure IS NULL OR figure IS NULL")
    rate_refreshes_figure_whole = Check(
        "(figure IS NULL) = (at IS NULL) AND (figure IS NULL) = (good_until IS NULL)"
        " AND (figure IS NULL) = (problem IS NOT NULL)"
    )


class UsedRate(Table, tablename="used_rates"):
    """A rate by which something was priced or valued, kept as long as the books. Never changed or deleted."""

    id = BigSerial(primary_key=True)
    base = columns.words(16)
    quote = columns.words(3)
    refreshed_at = columns.moment()
    figure = _figure()
    at = columns.moment()
    good_until = columns.moment()
    sources = columns.text()

    used_rates_once = Unique(["base", "quote", "refreshed_at"])
    used_rates_figure_positive = Check("figure > 0")


class RateSource(Table, tablename="rate_sources"):
    """How a source is doing. `failures_in_row` is 0 after an answer that can be used; `failures` counts all.

    `rests_until`: it is not asked before. `problem` is what is wrong with its last answer, or a part of it.
    """

    id = BigSerial(primary_key=True)
    name = columns.words(40)
    asked_at = columns.moment()
    answered_at = columns.moment(null=True)
    failures_in_row = columns.number()
    failures = columns.big_number()
    rests_until = columns.moment(null=True)
    problem = columns.words(200, null=True)

    rate_sources_once = Unique(["name"])
