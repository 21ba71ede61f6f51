"""The page of reports: what it says, its periods, and that kept figures say the same as the invoices."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.cabinet.report_periods import BadSpan, before, period_of
from app.cabinet.reports import duration
from app.core import clock, database
from app.core.money import group_digits
from app.events import sequencer
from app.identity import charts
from app.reports import invoice_figures
from app.webhooks.fan_out import fan_out_with
from tests.cabinet.people import Office
from tests.factories.networks import networks_toml
from tests.factories.past_invoices import past_invoices
from tests.factories.webhooks import make_endpoint
from tests.webhooks.test_delivery import happen

TODAY = date(2026, 3, 31)


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A deployment that knows a network; nothing here asks its node."""
    path = tmp_path / "networks.toml"
    path.write_text(networks_toml("http://127.0.0.1:9", "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"))
    return environment | {"NETWORKS_FILE": str(path)}


def words(page: str, name: str) -> str:
    """The sentence above a chart."""
    found = re.search(rf'id="{name}-title">[^<]*</h2><p class="chart__summary"[^>]*>(.*?)</p>', page)
    assert found, page
    return found[1]


async def test_a_report_says_the_point_of_each_chart_and_has_its_table(office: Office) -> None:
    viewer, developer = await office.new_member("viewer"), await office.new_member("developer")
    await database.execute("UPDATE merchants SET reporting_currency = 'EUR' WHERE id = $1", office.merchant_id)
    empty = await viewer.see("reports")
    assert "No paid invoices in this time" in empty
    noon = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(minutes=1)
    await past_invoices(office.merchant_id, 100, newest_at=noon, every_s=3_600)  # of the last four days and a bit
    await past_invoices(office.merchant_id, 50, newest_at=noon - timedelta(days=30), every_s=3_600, prefix="Q")

    page = await developer.see("reports")

    assert words(page, "volume") == (
        "Volume rose 100 % to 625.10 EUR, from 312.55 EUR, net of fees, by the rates of then."
    )
    assert words(page, "conversion") == "70 % of 100 invoices were paid, 70 % of 50 in the period before."
    assert words(page, "times") == "Half are paid within 4 min, nine of ten within 7 min."
    assert words(page, "fees") == "Service fees rose 100 % to 5.04 EUR, from 2.52 EUR, by the rates of then."
    for text in ("Show as a table", "Before", "The period before", "No deliveries in this time"):
        assert text in page
    assert page.count('class="chart__before"') == 60
    assert "694.40\xa0USDT" in re.sub(r"</?span[^>]*>", "", page), "by asset"
    alone = await viewer.see("reports?period=30&asset=USDT@ethereum")
    assert words(alone, "volume") == "Volume is 694.40 USDT, net of fees."
    assert words(alone, "fees") == "Service fees are 5.60 USDT."
    assert "chart__before" not in alone
    assert "Webhooks" not in words(alone, "conversion")
    assert "health-title" not in alone, "viewers see no webhooks"

    own = await viewer.see("reports?period=own&from=2026-02-03&to=2026-02-01")
    assert "The first day, 3 Feb 2026, is after the last one, 1 Feb 2026. Exchange them." in own
    assert "Choose the first day of your own period." in await viewer.see("reports?period=own&from=nonsense")
    assert "Jan" in await viewer.see("reports?period=12m&compare=yes") or noon.month == 1


async def test_kept_figures_say_the_same_as_the_invoices(office: Office) -> None:
    now = clock.now()
    await past_invoices(office.merchant_id, 400, newest_at=now, every_s=7 * 3_600)  # four months
    await past_invoices(office.merchant_id, 30, newest_at=now, every_s=86_400, mode="live", currency=None, prefix="L")
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [day - timedelta(days=n) for n in range(130, -1, -1)]
    end = day + timedelta(days=1)

    async def read() -> list[list[invoice_figures.Sums]]:
        return [await invoice_figures.sums(office.merchant_id, mode, starts, end) for mode in ("test", "live")]

    plain = await read()
    assert sum(one.created for one in plain[0]) == 400
    assert sum(one.unvalued for one in plain[1]) == 21
    written = await invoice_figures.keep(now)
    assert written > 350
    assert await read() == plain
    assert await database.fetch_value("SELECT max(starts_at) FROM invoice_figures") < day - timedelta(days=1)
    assert await invoice_figures.keep(now) == 0, "nothing has changed"

    late = await database.fetch_value(
        """
        UPDATE invoices SET status = 'paid', paid_at = $2, credited_raw = 9920000, received_raw = 10000000
        WHERE id = (SELECT id FROM invoices WHERE merchant = $1 AND mode = 'test' AND status = 'awaiting_deposit'
            ORDER BY created_at LIMIT 1) RETURNING id
        """,
        office.merchant_id,
        now,
    )
    assert await read() == plain, "the figures do not know of it yet"
    await happen(office.merchant_id, 1, "invoice.paid")
    await database.execute("UPDATE events SET subject_id = $1", late)
    assert await invoice_figures.keep(now + timedelta(minutes=1)) == 1
    changed = await read()
    assert sum(one.paid for one in changed[0]) == sum(one.paid for one in plain[0]) + 1
    await database.execute("DELETE FROM invoice_figures_kept")
    await database.execute("DELETE FROM invoice_figures")
    assert await read() == changed
    tomorrow = now + timedelta(days=1)
    await invoice_figures.keep(tomorrow)
    assert await read() == changed, "yesterday is covered now"


async def test_webhook_health_counts_first_attempts_later_ones_and_what_was_given_up(office: Office) -> None:
    developer, keys = await office.new_member("developer"), office.settings.data_keys

    endpoint = await make_endpoint(
        merchant_id=office.merchant_id, mode="test", url="https://shop.example/", keys=keys, now=clock.now()
    )
    await happen(office.merchant_id, 10)
    await sequencer.number_events(fan_out_with(keys))
    await database.execute(
        """
        UPDATE webhook_deliveries SET attempts = CASE WHEN seq <= 6 THEN 1 ELSE 3 END,
            status = CASE WHEN seq <= 8 THEN 'delivered' WHEN seq = 9 THEN 'dead' ELSE 'pending' END
        WHERE endpoint = $1
        """,
        endpoint.id,
    )
    await database.execute(
        """
        INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, response_status, detail,
            response_excerpt)
        SELECT id, attempts, created_at, 100 * seq, 200, '', '' FROM webhook_deliveries WHERE status = 'delivered'
        """
    )
    page = await developer.see("reports")
    assert words(page, "health") == (
        "60 % arrived at the first attempt; 19 of 20 were answered within 765 ms. Of the latest 10 deliveries."
    )
    for name in ("Delivered later", "Retrying", "Given up"):
        assert name in page


@pytest.mark.parametrize(
    ("choice", "first", "last", "unit", "count", "ends"),
    [
        ("7", None, None, "day", 7, "2026-03-25"),
        ("12m", None, None, "month", 12, "2025-04-01"),
        ("own", "2026-03-31", "2026-03-31", "day", 1, "2026-03-31"),
        ("own", "2025-10-01", "2026-03-31", "week", 26, "2025-10-01"),
        ("own", "2023-05-15", "2026-03-31", "month", 35, "2023-05-15"),
    ],
)
def test_periods(choice: str, first: str | None, last: str | None, unit: str, count: int, ends: str) -> None:
    period = period_of(choice, first, last, TODAY, UTC)
    assert (period.unit, len(period.starts), period.first_day.isoformat()) == (unit, count, ends)
    assert period.end == datetime(2026, 4, 1, tzinfo=UTC)
    earlier = before(period, choice, UTC)
    assert earlier.end == period.starts[0]
    assert len(earlier.starts) in (count, count - 1, count + 1)


def test_too_long_a_period_is_refused() -> None:
    with pytest.raises(BadSpan, match="at most three years"):
        period_of("own", "2020-01-01", "2026-03-01", TODAY, UTC)
    with pytest.raises(BadSpan, match="and today"):
        period_of("own", "1990-01-01", "1990-03-01", TODAY, UTC)


def test_words_of_changes_and_times() -> None:
    assert charts.change(112, 100) == "rose 12 % to"
    assert charts.change(10_000, 1) == f"rose {group_digits(999_900)} % to"
    assert charts.change(99, 100) == "fell 1 % to"
    assert charts.change(1, 3) == "fell 66.7 % to"
    assert charts.change(5, 0) == "is now"
    assert charts.change(0, 0) == charts.change(4, 4) == "stayed at"
    assert [duration(n) for n in (1, 60, 192, 3_600, 7_500, 300_000)] == [
        "1 s",
        "1 min",
        "3 min 12 s",
        "1 h",
        "2 h 5 min",
        "3 days",
    ]
