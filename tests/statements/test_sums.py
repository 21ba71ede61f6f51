"""For any series of postings: opening, movements and closing agree with the ledger, months join, files agree."""

import csv
import io
import os
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from app.cabinet.statement_files import CLOSING, OPENING, bank_csv, lines_csv
from app.core import database
from app.core.money import parse_amount
from app.ledger import repository as ledger
from app.statements import service
from app.statements.months import Month, month_of
from app.statements.repository import CHANGING
from app.statements.service import MonthStatement
from tests.factories.merchants import merchant
from tests.statements.bookkeeping import Books, add_assets

EXAMPLES = 25 * max(1, int(os.environ.get("SOAK", "1")))

FEW = runs(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)

Step = tuple[str, Any]

assets = st.sampled_from(["USDT", "ETH"])
amounts = st.one_of(st.integers(1, 10**9), st.integers(10**20, 10**30))
late = st.sampled_from([0, 0, 240, 172_800])
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("credit"), st.tuples(assets, amounts, st.integers(0, 10**8), st.sampled_from([0, 0, 240, 172_800]))
        ),
        st.tuples(st.just("lock"), st.tuples(st.sampled_from(["payout", "refund"]), assets, st.integers(1, 100))),
        st.tuples(st.just("end"), st.booleans()),
        st.tuples(st.just("reverse"), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([1, 200, 600, 86_400, 11 * 86_400, 33 * 86_400])),
        st.tuples(st.just("end of month"), st.integers(-120, 120)),
        st.tuples(st.just("sign"), st.none()),
        st.tuples(st.just("rate"), st.tuples(assets, st.sampled_from(["0.92", "2711.50", None]))),
    ),
    min_size=3,
    max_size=25,
)


class Timeline:
    """Examples share a database and its checkpoints, so each begins in a month after all that were there before."""

    month = Month(2027, 1)


@pytest.fixture
async def timeline(db: str) -> Timeline:
    await add_assets()
    return Timeline()


async def take(books: Books, verb: str, what: Any) -> None:
    """One step; it is left out where there is nothing to take it on."""
    match verb:
        case "credit":
            asset, amount, fee, late_s = what
            await books.credit(asset, amount, fee, late=timedelta(seconds=late_s))
        case "lock":
            kind, asset, percent = what
            amount = books.available[asset] * percent // 100
            if amount > 0:
                await books.lock(kind, asset, amount, amount // 10)
        case "end" if books.locked:
            await books.end(settled=what)
        case "reverse" if books.credits:
            await books.reverse()
        case "wait":
            books.now += timedelta(seconds=what)
        case "end of month":
            books.now = max(books.now, month_of(books.now).end + timedelta(seconds=what))
        case "sign":
            await books.sign()
        case "rate":
            await books.rate(*what)


@FEW
@given(taken=steps)
async def test_months_join_and_their_sums_are_the_ledger_s(timeline: Timeline, taken: list[Step]) -> None:
    books = Books(await merchant(), timeline.month.begin + timedelta(days=20))
    await database.execute("UPDATE merchants SET reporting_currency = 'EUR' WHERE id = $1", books.merchant_id)
    final: dict[Month, MonthStatement] = {}
    for verb, what in taken:
        await take(books, verb, what)
        if verb == "sign":
            for state in await service.months(books.merchant_id, "test", books.now):
                if state.is_final and state.month not in final:
                    final[state.month] = await statement_of(books, state.month)
    timeline.month = month_of(books.now).following

    listed = await service.months(books.merchant_id, "test", books.now)
    statements = [await statement_of(books, state.month) for state in reversed(listed)]
    assert [each.is_final for each in reversed(statements)] == [state.is_final for state in listed]
    for before, after in pairwise(statements):
        closings = {one.chain: one.closing.state for one in before.ledgers}
        assert closings == {one.chain: one.opening for one in after.ledgers if one.opening.seq}
    for statement in statements:
        for one in statement.ledgers:
            moved = [(each.available_raw, each.locked_raw) for each in one.movements]
            opening, closing = one.opening, one.closing.state
            assert opening.available_raw + sum(available for available, _ in moved) == closing.available_raw
            assert opening.locked_raw + sum(locked for _, locked in moved) == closing.locked_raw
            assert sum(each.count for each in one.movements) == one.count
        await assert_files_agree(statement)
    if statements:
        assert {one.chain: one.closing.state for one in statements[-1].ledgers} == {
            head.chain: head.state for head in await ledger.heads(books.merchant_id)
        }
    for month, then in final.items():
        assert await statement_of(books, month) == then, "a closed month has changed"


async def statement_of(books: Books, month: Month) -> MonthStatement:
    found = await service.of_month(books.merchant_id, "test", month, books.now)
    assert found is not None
    return found


async def assert_files_agree(statement: MonthStatement) -> None:
    """The file of lines has the page's openings, sums, worths and closings; the bank's file has the page's worth."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    balances: dict[tuple[str, str], tuple[int, int, int, str]] = {}
    unknown = 0
    previous = ""
    for row in await rows_of(lines_csv(statement)):
        after = (int(row["seq"]), int(row["available_after_raw"]), int(row["locked_after_raw"]), row["hash"])
        if row["kind"] in (OPENING, CLOSING):
            balances[row["asset"], row["kind"]] = after
            assert row["kind"] == OPENING or row["hash"] == previous
        else:
            assert row["prev_hash"] == previous
            total = sums[row["asset"], row["kind"]]
            total[0] += int(row["available_delta_raw"])
            total[1] += int(row["locked_delta_raw"])
            total[2] += int(row["fee_raw"])
            total[3] += cents(row["worth"]) if row["worth"] else 0
            unknown += row["kind"] in CHANGING and not row["worth"]
            assert int(row["amount_raw"]) == int(row["available_delta_raw"]) + int(row["locked_delta_raw"])
        previous = row["hash"]
    worth_sum = 0
    for one in statement.ledgers:
        asset = one.chain.asset
        for kind, state in ((OPENING, one.opening), (CLOSING, one.closing.state)):
            assert balances[asset, kind] == (state.seq, state.available_raw, state.locked_raw, state.hash)
        for each in one.movements:
            found = sums.pop((asset, each.kind))
            assert found == [each.available_raw, each.locked_raw, each.fee_raw, each.worths.get("EUR", 0)]
            worth_sum += found[3]
    assert not sums
    assert statement.unvalued == unknown
    assert statement.worths.get("EUR", 0) == worth_sum
    assert sum(cents(row["Amount"]) for row in await rows_of(bank_csv(statement, "EUR"))) == worth_sum


async def rows_of(parts: Any) -> list[dict[str, str]]:
    text = b"".join([part async for part in parts]).decode("utf-8-sig")
    return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def cents(text: str) -> int:
    """The minor units of a worth."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    return 0 if set(digits) <= {"0", "."} else sign * parse_amount(digits, 2)
