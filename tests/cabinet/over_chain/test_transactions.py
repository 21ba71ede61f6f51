"""Where a transaction is, in the cabinet: what a member learns, and of whose invoices."""

from collections.abc import Callable

from app.core import database
from tests.cabinet.world import World
from tests.identity.browsing import Browser


async def test_what_became_of_a_transaction(world: World, browser: Callable[..., Browser]) -> None:
    paid, late = world.paid_invoice, world.late_invoice
    txids = {
        row["invoice"]: row["txid"]
        for row in await database.fetch_all(
            "SELECT invoice, txid FROM deposits WHERE invoice = ANY($1)", [paid.id, late.id]
        )
    }
    viewer = browser()
    await viewer.sign_in(world.people["viewer"])
    page = f"{world.base}/transactions"
    assert "Find a transaction" in (await viewer.get(world.base)).text
    answer = await viewer.get(f"{page}?txid={txids[paid.id]}")
    assert f"It has paid {paid.id} in full: {paid.pay_in.amount_decimal} USDT." in answer.text
    assert f"{world.base}/invoices/{paid.id}" in answer.text
    short = await viewer.get(f"{page}?network=ethereum:test&txid=https://etherscan.io/tx/{txids[late.id]}")
    assert f"It brings less than {late.id} asks for" in short.text
    named = await viewer.get(f"{page}?invoice={late.id}&txid={txids[paid.id]}")
    assert f"It is for another invoice: {paid.pay_in.amount_decimal} USDT for {paid.id}." in named.text
    for text, words in (
        ("no id", "This is not the id of a transaction."),
        (f"{txids[paid.id]}&network=ethereum:live", "There is no such network."),
        (f"0x{64 * '7'}", "know this transaction, or not yet."),
    ):
        assert words in (await viewer.get(f"{page}?txid={text}")).text, text
    searched = await viewer.get(f"{world.base}/invoices?search=0x{64 * '7'}")
    assert f"{page}?txid=0x{64 * '7'}" in searched.text
    # The other merchant's member learns what a transaction that pays nobody would say.
    stranger = browser()
    await stranger.sign_in(world.stranger)
    theirs = f"/cabinet/{world.foreign_id}/test/transactions"
    told = await stranger.get(f"{theirs}?txid={txids[paid.id]}")
    assert "It brings nothing to any address of yours." in told.text
    assert paid.id not in told.text
    assert (await stranger.get(f"{theirs}?invoice={paid.id}&txid={txids[paid.id]}")).status_code == 404
