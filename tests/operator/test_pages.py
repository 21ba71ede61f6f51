"""Every page of the desk opens and shows its data, to operators only."""

import re

from app.core import database
from app.sandbox.chain_driver import AnvilDriver
from tests.operator.scene import POISONED, set_scene
from tests.operator.served import Served

LISTS = (
    "/desk",
    "/desk/approvals",
    "/desk/approvals?state=moving",
    "/desk/approvals?state=decided",
    "/desk/reviews",
    "/desk/reviews?state=returning",
    "/desk/reviews?state=closed",
    "/desk/applications",
    "/desk/holds",
    "/desk/alerts",
    "/desk/alerts?state=acknowledged&severity=critical",
    "/desk/merchants",
    "/desk/merchants?q=tea&status=approved",
    "/desk/networks",
    "/desk/networks/ethereum/test",
    "/desk/networks/ethereum/test/frozen",
    "/desk/approvals?kind=refund&who=second&network=ethereum:test&asset=USDT&merchant=tea&age=7d",
    "/desk/approvals?who=not_mine",
    "/desk/reviews?verdict=late&who=mine&network=ethereum:test&asset=USDT&merchant=tea&age=1h",
    "/desk/reviews?state=closed&who=not_mine",
    "/desk/look-up",
    "/desk/look-up?q=PO-0000000000",
    "/desk/addresses/bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "/desk/transactions",
    "/desk/transactions?txid=none",
    "/desk/transactions?txid=0x7777777777777777777777777777777777777777777777777777777777777777&network=ethereum:test",
    "/desk/ledgers",
    "/desk/reconciliation",
    "/desk/switches",
    "/desk/switches/payouts",
    "/desk/audit",
    "/desk/audit?actor=cli&action=switch.&from=2026-01-01&to=2026-12-31",
    "/desk/operators",
)


async def test_every_list_opens_with_nothing_in_it(served: Served) -> None:
    browser = await served.signed_in(await served.account("ops@example.test"))
    for path in LISTS:
        answer = await browser.get(path)
        assert answer.status_code == 200, (path, answer.text[-2000:])
        assert answer.text.count("<h1") == 1, path


async def test_every_page_opens_with_something_in_it(served: Served, driver: AnvilDriver, token: str) -> None:
    scene = await set_scene(served.services, driver, token)
    browser = await served.signed_in(scene.operator)
    for name, path in scene.pages().items():
        answer = await browser.get(path)
        assert answer.status_code == 200, (name, path)
        assert answer.text.count("<h1") == 1, name
        ids = re.findall(r'\sid="([^"]+)"', answer.text)
        assert len(ids) == len(set(ids)), (name, sorted(each for each in set(ids) if ids.count(each) > 1))
    reviews = (await browser.get("/desk/reviews")).text
    dust = reviews[reviews.index('id="dust"') :]
    assert "0.000035" in dust, "five dust deposits of 7 are one line"
    assert dust.count("USDT") >= 1
    approval = (await browser.get(f"/desk/approvals/{scene.poisoned}")).text
    assert "About 0.00211 ETH at today&#39;s fee" in approval
    assert "The destination is a contract." in approval
    network = (await browser.get("/desk/networks/ethereum/test")).text
    frozen = network[network.index('id="frozen"') :]
    assert frozen.count("Frozen</span>") == 1, "the one that its issuer has let go is on the page of all of them"
    assert (await browser.get("/desk/networks/ethereum/test/frozen")).text.count("Let go") == 1


async def test_merchants_are_found_by_an_address(served: Served, driver: AnvilDriver, token: str) -> None:
    scene = await set_scene(served.services, driver, token)
    browser = await served.signed_in(scene.operator)
    address = await database.fetch_value(
        "SELECT a.address FROM invoices i JOIN deposit_addresses a ON a.id = i.deposit_address LIMIT 1"
    )
    for text in (address, address.lower(), POISONED.upper()):  # an invoice's, and a payout's destination
        found = (await browser.get(f"/desk/merchants?q={text}")).text
        assert f"/desk/merchants/{scene.shop}" in found, text
        assert f"/desk/merchants/{scene.suspended}" not in found
    nobody = (await browser.get("/desk/merchants?q=bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")).text
    assert "This is a Bitcoin mainnet address: no invoice had it, and nothing was sent there." in nobody


async def test_whose_invoice_a_transaction_pays(served: Served, driver: AnvilDriver, token: str) -> None:
    scene = await set_scene(served.services, driver, token)
    browser = await served.signed_in(scene.operator)
    deposit = await database.fetch_one("SELECT txid, invoice FROM deposits WHERE verdict = 'underpaid' LIMIT 1")
    assert deposit is not None
    for network in ("", "ethereum:test"):
        found = (await browser.get(f"/desk/transactions?txid={deposit['txid']}&network={network}")).text
        assert f"It brings less than {deposit['invoice']} asks for" in found
    refused = (await browser.get(f"/desk/transactions?txid={deposit['txid']}&network=dogecoin:live")).text
    assert "There is no such network." in refused
