"""The desk's search: over all merchants, by what people have of a payment, a merchant or an alert."""

from urllib.parse import quote

from app.alerts.service import raise_alert
from app.core import clock, database
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.factories.withdrawals import fund, payout
from tests.operator.served import Served


async def test_the_desk_finds_payments_of_every_merchant_and_what_else_is_known(served: Served) -> None:
    one, other = await terms(service_fee_bps=80), await terms(service_fee_bps=80)
    await database.execute("UPDATE merchants SET name = 'Nordlicht & Söhne' WHERE id = $1", other.merchant_id)
    first = await invoice(served.services, one, amount="5.00")
    second = await invoice(served.services, other, amount="7.00")
    await fund(other.merchant_id, 100_000_000)
    asked = await payout(served.services, other.merchant_id)
    async with database.transaction():
        await raise_alert(
            severity="critical",
            kind="balance_drift",
            dedupe_key="drift",
            message="Tether on Ethereum is 7 short",
            details={},
            now=clock.now(),
        )
    alert_id = await database.fetch_value("SELECT id FROM alerts")
    browser = await served.signed_in(await served.account("ops@example.test"))
    destination = await database.fetch_value("SELECT destination FROM withdrawals")

    for text, href in (
        (first.id.lower(), f"/desk/invoices/{first.id}"),
        (second.id[4:9], f"/desk/invoices/{second.id}"),
        (second.id[-5:], f"/desk/invoices/{second.id}"),
        (second.pay_in.address.lower(), f"/desk/invoices/{second.id}"),
        (second.pay_in.address, f"/desk/addresses/{second.pay_in.address}"),
        (asked.id, f"/desk/approvals/{asked.id}"),
        (destination.lower(), f"/desk/approvals/{asked.id}"),
        ("nordlicht", f"/desk/merchants/{other.merchant_id}"),
        (other.merchant_id[:8], f"/desk/merchants/{other.merchant_id}"),
        ("7 short", f"/desk/alerts/{alert_id}"),
        ("0x" + "ab" * 32, "/desk/transactions?txid=0x" + "ab" * 32),
        ("recon", "/desk/reconciliation"),
    ):
        page = await browser.get(f"/desk/search?q={quote(text)}")
        assert page.status_code == 200
        assert f'href="{href}"' in page.text, text
        assert f'href="{href}"' in (await browser.get(f"/desk/search/found?q={quote(text)}")).text, text
    nothing = (await browser.get("/desk/search?q=zzzzzz")).text
    assert "Nothing found." in nothing
    assert "Looked at ids, addresses and transactions of all merchants" in nothing
    stranger = await served.signed_in(await served.account("nora@example.test", is_operator=False))
    assert (await stranger.get(f"/desk/search?q={first.id}")).status_code == 404
