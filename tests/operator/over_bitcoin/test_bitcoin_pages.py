"""What the desk shows of a bitcoin network: payments that wait, coins, fees, our transactions, and the approval of
consolidation."""

import re

import pytest

from app.audit import log
from app.audit.log import Filters
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.signer.keystore import SpendingKeys
from tests.factories.bitcoin import NETWORK
from tests.fakes.bitcoin_proxy import BitcoinProxy
from tests.identity.browsing import Account, Browser
from tests.operator.bitcoin_scene import BitcoinScene, set_bitcoin_scene
from tests.operator.served import Served

PAGE = "/desk/networks/bitcoin/test"


@pytest.fixture
async def scene(served: Served, bitcoin: BitcoinDriver, proxy: BitcoinProxy, keys: SpendingKeys) -> BitcoinScene:
    return await set_bitcoin_scene(served.services, bitcoin, proxy, keys)


@pytest.fixture
async def account(served: Served) -> Account:
    return await served.account("olive@example.test")


@pytest.fixture
async def browser(served: Served, account: Account) -> Browser:
    return await served.signed_in(account)


def section(text: str, name: str) -> str:
    """The part of a page with this heading's id."""
    return text.partition(f'aria-labelledby="{name}"')[2].partition("</section>")[0]


async def test_a_network_without_anything_has_no_empty_sections(browser: Browser) -> None:
    text = (await browser.get(PAGE)).text
    for absent in ("waiting", "coins", "transactions"):
        assert not section(text, absent), absent
    assert "300 sat/vB" in section(text, "fees")
    assert "Not approved" in section(text, "consolidation")
    for page in ("pool", "coins", "transactions"):
        assert (await browser.get(f"{PAGE}/{page}")).status_code == 200
    assert (await browser.get(f"{PAGE}/transactions/1")).status_code == 404


async def test_the_pages_show_what_there_is(scene: BitcoinScene, browser: Browser) -> None:
    for name, path in scene.pages().items():
        answer = await browser.get(path)
        assert answer.status_code == 200, (name, answer.text[-1_000:])
        assert answer.text.count("<h1") == 1, name
    text = (await browser.get(PAGE)).text

    waiting = section(text, "waiting")
    assert scene.waiting_txid in waiting
    assert scene.waiting_invoice in waiting
    assert "5 sat/vB" in waiting
    assert scene.replaced_invoice not in waiting, "its payment waits no more"

    assert "5 sat/vB" in section(text, "fees")
    assert "300 sat/vB" in section(text, "fees")

    stats = re.findall(r'stat__figure">(.*?)</span> *</p>', section(text, "coins"))
    figures = [int(re.sub(r"<[^>]*>", "", each)) for each in stats]
    coins = [coin for coin in await scene.setup.coins() if coin["txid"] != scene.first]
    mined = sum(coin["height"] is not None for coin in coins)
    assert figures == [mined, len(coins) - mined, 1, 1], "unspent, change, in a payment under way, not worth its fee"
    assert len(coins) - mined == 1
    listed = (await browser.get(f"{PAGE}/coins")).text
    assert all(coin["txid"] in listed for coin in coins)
    assert scene.first not in listed, "it was replaced, so its change will not be"
    assert listed.count("Not worth its fee now") == 1

    ours = section(text, "transactions")
    assert ours.count("replaced by") == 1
    one = (await browser.get(f"{PAGE}/transactions/{scene.second_id}")).text
    assert scene.payouts[-1] in section(one, "payments")
    assert "sat/vB" in one
    assert len(section(one, "attempts").split("/transactions/")) >= 3
    first_id = (await scene.setup.attempts())[0]["id"]
    batch = section((await browser.get(f"{PAGE}/transactions/{first_id}")).text, "payments")
    assert all(payout in batch for payout in scene.payouts[:5])


async def test_merchants_read_the_transaction_of_a_batch(scene: BitcoinScene) -> None:
    txids = {(await scene.setup.read(payout)).txid for payout in scene.payouts[:5]}
    assert txids == {scene.batch}


async def test_consolidation_is_approved_with_a_new_code_and_revoked(
    served: Served, account: Account, browser: Browser
) -> None:
    page = f"{PAGE}/consolidation"
    wrong = await browser.send(f"{page}/approve", page, code="000000")
    assert wrong.status_code == 422
    assert await served.services.consolidation.approved(NETWORK) is None

    code = account.code()
    done = await browser.led_on(await browser.send(f"{page}/approve", page, code=code))
    assert "Approved: the signer merges small coins" in done.text
    policy = await served.services.consolidation.approved(NETWORK)
    assert policy is not None
    assert policy.max_fee_rate == 3
    assert "Approved by" in section((await browser.get(PAGE)).text, "consolidation")
    again = await browser.send(f"{page}/revoke", page, code=code)
    assert "the signer begins no further consolidation" in (await browser.led_on(again)).text
    assert await served.services.consolidation.approved(NETWORK) is None
    actions = await log.page(Filters(action="consolidation."), None, 10)
    assert [entry.action for entry in actions] == ["consolidation.revoked", "consolidation.approved"]
