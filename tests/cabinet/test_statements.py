"""The pages and files of statements: the same sums everywhere, a month that closes, evidence that a worker prepares."""

import base64
import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.cabinet import statements as pages
from app.cabinet.works import works
from app.core import clock, database
from app.jobs import service as jobs
from app.ledger import checkpoint_format
from app.ledger.evidence import verify_evidence
from app.wiring import Services, wire
from tests.cabinet.people import Colleague, Office
from tests.factories.networks import networks_toml
from tests.factories.operators import operator
from tests.statements.bookkeeping import KEYS, Books, add_assets

NOVEMBER = "2026-11"


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A deployment that knows a network and signs checkpoints; nothing here asks its node."""
    path = tmp_path / "networks.toml"
    path.write_text(networks_toml("http://127.0.0.1:9", "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"))
    key = f"c1:{base64.b64encode(KEYS.seeds['c1']).decode()}"
    return environment | {"NETWORKS_FILE": str(path), "CHECKPOINT_KEY": key}


@pytest.fixture
async def services(office: Office) -> AsyncIterator[Services]:
    """What a worker has, on the app's own pool."""
    services = wire(office.settings)
    yield services
    await services.addresses.close()
    await services.outbound.aclose()
    await services.networks.aclose()


@pytest.fixture
async def books(office: Office) -> Books:
    """October and November; the clock stands in November, a rate is known for some of it."""
    await add_assets()
    await database.execute("UPDATE merchants SET reporting_currency = 'EUR' WHERE id = $1", office.merchant_id)
    books = Books(office.merchant_id, datetime(2026, 10, 20, 12, tzinfo=UTC))
    await books.credit("USDT", 10_000_000, 80_000)
    books.now = datetime(2026, 11, 3, 12, tzinfo=UTC)
    await books.sign()
    await books.rate("USDT", "0.90")
    for _ in range(3):
        await books.credit("USDT", 20_000_000, 160_000)
    await books.lock("payout", "USDT", 6_000_000, 1_000_000)
    await books.end(settled=True)
    await books.reverse()
    books.now += timedelta(days=2)
    await books.credit("USDT", 1_500_000)
    await books.credit("ETH", 5 * 10**17)
    clock.shift(books.now + timedelta(minutes=1) - clock.now())
    return books


async def test_a_month_has_the_same_sums_on_its_page_on_paper_and_in_its_files(office: Office, books: Books) -> None:
    accountant = await office.new_member("accountant")
    listed = await accountant.see("statements")
    assert listed.index("November 2026") < listed.index("October 2026")
    assert ("Not final yet" in listed, "Final" in listed) == (True, True)

    page = plain(await accountant.see(f"statements/{NOVEMBER}"))
    assert "Not final yet." in page
    for sums in (
        "Opening balance – 10.00 0.00 – –",
        "Invoice credited 4 +61.50 – 0.48 +54.00 EUR 1 not known",
        "Deposit reversed 1 -20.00 – -0.16 -18.00 EUR",
        "Locked for a payout 1 -6.00 +6.00 – –",
        "Payout sent 1 – -6.00 1.00 -5.40 EUR",
        "Closing balance – 45.50 0.00 – –",
        "Worth of all movements 30.60 EUR",
        "2 entries have no known worth",
    ):
        assert sums in page, sums
    paper = plain(await accountant.see(f"statements/{NOVEMBER}/print"))
    assert "Invoice credited 4 +61.50 0.48 +54.00 EUR 1 not known" in paper
    assert "2026-11-01 to 2026-11-30, UTC Not final" in paper
    lines = await accountant.see(f"statements/{NOVEMBER}/USDT@ethereum")
    heads = await database.fetch_all(
        "SELECT e.hash FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger"
        " WHERE h.owner = $1 AND h.asset = 'USDT' AND e.seq > 1",
        office.merchant_id,
    )
    assert len(heads) == 7
    for row in heads:
        assert row["hash"] in paper, "each line has its hash"
        assert row["hash"] in lines
    assert "Invoice credited 2 ·" in plain(lines)

    every = await file_of(accountant, f"exports/statements/{NOVEMBER}.csv")
    assert [row["kind"] for row in every if row["asset"] == "USDT"] == [
        "opening_balance",
        *["invoice_credit"] * 3,
        *("payout_locked", "payout_settled", "deposit_reversal", "invoice_credit"),
        "closing_balance",
    ]
    assert (every[-1]["kind"], every[-1]["available_after_decimal"]) == ("closing_balance", "45.50")
    bank = await file_of(accountant, f"exports/statements/{NOVEMBER}-EUR.csv")
    assert [(row["Date"], row["Amount"]) for row in bank] == [
        *[("2026-11-03", "18.14"), ("2026-11-03", "-0.14")] * 3,
        *[("2026-11-03", "-4.50"), ("2026-11-03", "-0.90")],
        *[("2026-11-03", "-18.14"), ("2026-11-03", "0.14")],
    ]
    assert bank[6]["Description"].startswith("Payout sent: PO-")
    assert "5.00 USDT on ethereum" in bank[6]["Description"]
    assert bank[7]["Description"].startswith("Payout fee: PO-")
    short = await file_of(accountant, f"exports/statements/{NOVEMBER}-EUR-quickbooks.csv")
    assert [list(row) for row in short[:1]] == [["Date", "Description", "Amount"]]
    assert [(row["Date"], row["Amount"]) for row in short] == [("11/03/2026", row["Amount"]) for row in bank]
    for missing in ("2026-09", "2026-12", "2026-13", "latest"):
        await accountant.see(f"statements/{missing}", status=404)
    for missing in (f"{NOVEMBER}-USD.csv", f"{NOVEMBER}x.csv", f"{NOVEMBER}.xml", "2026-09.csv"):
        await accountant.see(f"exports/statements/{missing}", status=404)
    await accountant.see(f"statements/{NOVEMBER}/USDC@ethereum", status=404)
    support = await office.new_member("support")
    await support.see("statements", status=403)


async def test_long_months_are_read_in_pages_and_their_paper_points_to_the_file(
    office: Office, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PRINTED", 5)
    viewer = await office.new_member("viewer")
    for _ in range(40):
        await books.credit("USDT", 1_000_000)
    first = await viewer.see(f"statements/{NOVEMBER}/USDT@ethereum")
    assert "Invoice credited" in first
    following = first.split('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    rest = await viewer.browser.get(following)
    seqs = [int(part.split(" ")[0]) for part in (first + rest.text).split("<small>")[1:] if part[0].isdigit()]
    assert seqs == list(range(2, 49))
    back = rest.text.split('rel="prev"')[0].rpartition('href="')[2].partition('"')[0]
    assert '/ledger/USDT@ethereum/2"' in (await viewer.browser.get(back)).text
    assert "They are in its CSV file" in await viewer.see(f"statements/{NOVEMBER}/print")


async def test_the_evidence_of_a_closed_month_is_prepared_by_a_worker(
    office: Office, books: Books, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    accountant = await office.new_member("accountant")
    page, place = f"statements/{NOVEMBER}", f"statements/{NOVEMBER}/evidence"
    assert "the month is not final" in await accountant.do(place)
    assert "Once the month is final" in await accountant.see(page)
    then = await file_of(accountant, f"exports/statements/{NOVEMBER}.csv")
    books.now = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
    await books.credit("USDT", 9_000_000)
    number = await books.sign()
    clock.shift(books.now + timedelta(minutes=1) - clock.now())
    accountant = await office.new_member("accountant", name="later")
    assert f"Checkpoint {number} has closed this month." in await accountant.see(page)
    assert await file_of(accountant, f"exports/statements/{NOVEMBER}.csv") == then

    answer = await accountant.send(place, page=page)
    work = answer.headers["location"].removeprefix(accountant.path()).strip("/")
    assert "Evidence of 2026-11" in await accountant.see(work)
    monkeypatch.setattr(jobs, "SLICE_S", -1)  # a turn is one part, and another worker goes on
    while await jobs.run_next(works(services)):
        pass
    assert "The archive is signed." in await accountant.see(work)
    assert "Evidence of 2026-11" in await accountant.see("exports")
    file = await accountant.browser.get(accountant.path(f"{work}/file"))
    assert file.headers["content-disposition"].endswith(f'evidence-{office.merchant_id}-test-2026-11.zip"')
    assert file.headers["content-type"] == "application/zip"
    keys = office.settings.checkpoint_keys
    assert keys is not None
    proven = verify_evidence(io.BytesIO(file.content), checkpoint_format.seeds_public_keys(keys))
    assert [(one.chain.asset, one.opening.seq, one.closing.seq) for one in proven.ledgers] == [
        ("ETH", 0, 1),
        ("USDT", 1, 8),
    ]
    support = await office.new_member("support")
    await support.see(f"{work}/file", status=403)


async def test_paper_has_the_approved_business_s_name(office: Office, books: Books) -> None:
    owner = await office.new_member("owner")
    decider = await operator(office.settings.data_keys)
    for status, name in (("approved", "Harbour & Pine GmbH"), ("rejected", "Somebody Else Ltd")):
        await database.execute(
            "INSERT INTO merchant_applications (merchant, legal_name, country, website, business, monthly_volume,"
            " status, submitted_by, submitted_at, decided_by, decided_at, reason)"
            " VALUES ($1, $2, 'DE', 'https://shop.example', 'linen', 'under_10k', $3, $4, now(), $5, now(), 'x')",
            office.merchant_id,
            name,
            status,
            owner.account.id,
            f"account:{decider.id}",
        )
    paper = plain(await owner.see(f"statements/{NOVEMBER}/print"))
    assert "Harbour & Pine GmbH Harbour & Pine , Germany https://shop.example" in paper
    assert "Somebody Else" not in paper


async def file_of(colleague: Colleague, place: str) -> list[dict[str, str]]:
    """The rows of a CSV file, their apostrophes removed."""
    answer = await colleague.browser.get(colleague.path(place))
    assert answer.status_code == 200, answer.text[:300]
    rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in rows]


def plain(page: str) -> str:
    """The words of a page, without its markup."""
    words = re.sub(r"<[^>]+>", " ", re.sub(r'<span class="figure__group">', "", page))
    return " ".join(words.replace("\u202f", "").split())
