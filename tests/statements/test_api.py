"""Statements by API: the months, one month's sums, and its lines by pages, with the ledger's own numbers and hashes."""

from datetime import UTC, datetime, timedelta

from app.core import clock, database
from tests.api.conftest import Integrator
from tests.statements.bookkeeping import Books


async def test_a_server_reads_the_months_their_sums_and_their_lines(integrator: Integrator) -> None:
    assert (await integrator.get("/statements")).json() == {"data": []}
    assert (await integrator.get("/statements/2026-11")).status_code == 404
    await database.execute("UPDATE merchants SET reporting_currency = 'EUR' WHERE id = $1", integrator.merchant_id)
    books = Books(integrator.merchant_id, datetime(2027, 2, 20, tzinfo=UTC))
    await books.credit("USDT", 10_000_000, 80_000)
    books.now = datetime(2027, 3, 1, 0, 30, tzinfo=UTC)
    number = await books.sign()
    await books.rate("USDT", "0.90")
    for _ in range(3):
        await books.credit("USDT", 20_000_000, 160_000)
    await books.lock("payout", "USDT", 6_000_000, 1_000_000)
    await books.end(settled=True)
    clock.shift(books.now + timedelta(minutes=1) - clock.now())

    months = (await integrator.get("/statements")).json()["data"]
    assert [(one["month"], one["final"]) for one in months] == [("2027-03", False), ("2027-02", True)]
    assert months[1]["begins_at"] == "2027-02-01T00:00:00Z"
    assert months[1]["ends_at"] == "2027-03-01T00:00:00Z"
    february = (await integrator.get("/statements/2027-02")).json()
    assert (february["final"], february["checkpoint"]) == (True, number)
    assert february["worth"] == []
    assert february["worth_unknown"] == 1
    march = (await integrator.get("/statements/2027-03")).json()
    assert (march["final"], march["checkpoint"]) == (False, None)
    assert march["worth"] == [{"amount_decimal": "48.60", "currency": "EUR"}]
    (ledger,) = march["ledgers"]
    assert (ledger["asset"], ledger["chain"]) == ("USDT", "ethereum")
    assert ledger["opening"] == february["ledgers"][0]["closing"]
    assert (ledger["opening"]["seq"], ledger["closing"]["available_decimal"]) == (1, "64.00")
    credits, locked, sent = ledger["movements"]
    assert (credits["kind"], credits["entries"], credits["fee_decimal"]) == ("invoice_credit", 3, "0.48")
    assert (locked["available_raw"], locked["locked_raw"], locked["worth"]) == ("-6000000", "6000000", [])
    assert (sent["locked_decimal"], sent["fee_decimal"]) == ("-6.00", "1.00")
    assert sent["worth"] == [{"amount_decimal": "-5.40", "currency": "EUR"}]

    place = {"asset": "USDT", "chain": "ethereum"}
    first = (await integrator.get("/statements/2027-03/entries", **place, limit=3)).json()
    rest = (await integrator.get("/statements/2027-03/entries", **place, cursor=first["next_cursor"])).json()
    assert rest["next_cursor"] is None
    lines = [*first["data"], *rest["data"]]
    assert [line["entry"]["seq"] for line in lines] == [2, 3, 4, 5, 6]
    everything = (await integrator.get("/ledger", **place)).json()["data"]
    assert [line["entry"] for line in reversed(lines)] == everything[:5]
    assert [line["worth"] and line["worth"]["amount_decimal"] for line in lines] == ["18.00"] * 3 + [None, "-5.40"]
    assert (await integrator.get("/statements/2027-03/entries", asset="USDT", chain="none")).json()["data"] == []
    assert (await integrator.get("/statements/2027-03/entries", asset="USDT")).status_code == 400
    for unknown in ("2027-01", "2027-04", "2027-3", "now"):
        answer = await integrator.get(f"/statements/{unknown}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND"), answer.text
