"""What the desk shows where transactions take energy: resources, costs, sweeps, loans and stake, and what is decided
there."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.audit import log
from app.audit.log import Filters
from app.backoffice import energy, sweeps
from app.core import clock, database, metrics
from app.core.keyset import Page, Place
from app.monitoring import gauges
from app.sandbox.tron_driver import TronDriver
from app.signer.keystore import SpendingKeys
from tests.identity.browsing import Account, Browser
from tests.operator.served import Served
from tests.operator.test_desk_actions import errors
from tests.operator.tron_scene import TronScene, set_tron_scene
from tests.signer.tron_under_test import NETWORK

PAGE = "/desk/networks/tron/test"


@pytest.fixture
async def scene(served: Served, tron: TronDriver, tron_usdt: str, keys: SpendingKeys) -> TronScene:
    return await set_tron_scene(served.services, tron, tron_usdt, keys)


@pytest.fixture
async def account(served: Served) -> Account:
    return await served.account("olive@example.test")


@pytest.fixture
async def browser(served: Served, account: Account) -> Browser:
    return await served.signed_in(account)


def section(text: str, name: str) -> str:
    """The words of the part of a page with this heading's id."""
    part = text.partition(f'aria-labelledby="{name}"')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", part).replace("\N{NARROW NO-BREAK SPACE}", "").split())


async def test_a_network_without_anything_says_so(browser: Browser) -> None:
    text = (await browser.get(PAGE)).text
    for absent in ("energy", "loans", "alerts"):
        assert not section(text, absent), absent
    assert "Nothing waits to be swept" in section(text, "sweeps")
    for page in ("sweeps", "sweeps?state=dear", "loans", "stake"):
        assert (await browser.get(f"{PAGE}/{page}")).status_code == 200, page
    for page in ("sweeps/1", "sweeps/approvals/1", "stake/1"):
        assert (await browser.get(f"{PAGE}/{page}")).status_code == 404, page


async def test_the_pages_and_the_metrics_show_what_there_is(scene: TronScene, browser: Browser) -> None:
    for name, path in scene.pages().items():
        answer = await browser.get(path)
        assert answer.status_code == 200, (name, answer.text[-1_000:])
        assert answer.text.count("<h1") == 1, name
    text = (await browser.get(PAGE)).text

    resources = await energy.resources(NETWORK)
    assert resources is not None
    part = section(text, "energy")
    assert f"Energy left {resources.energy} of {resources.energy_limit} a day" in part
    assert "A unit of energy costs 0.0001 TRX" in part
    assert "A byte costs 0.001 TRX" in part
    assert "Low" in part, "there is less than energy_low"
    costs = {(one.purpose, one.asset): one for one in await energy.transfer_costs(NETWORK, resources)}
    assert set(costs) == {("payout", "USDT"), ("sweep", "USDT")}
    payout = costs["payout", "USDT"]
    assert payout.burned_raw == payout.energy * 100 + payout.size * 1_000
    assert payout.with_energy_raw == payout.size * 1_000
    assert "Payout of USDT" in part
    assert "Sweep of USDT" in part

    waiting = section(text, "sweeps")
    assert re.search(r"Waiting \d+ Dear 2 1 of them approved", waiting), waiting
    assert "Dear: waits for you" in waiting
    assert "Dear, approved" in waiting
    assert "Lent" in section(text, "loans")
    assert "who may sign for an account of ours was changed" in section(text, "alerts")
    listed = (await browser.get(f"{PAGE}/sweeps")).text
    assert "Burns coin" in listed
    only = (await browser.get(f"{PAGE}/sweeps?state=dear")).text
    assert f"sweeps/{scene.dear}" in only
    assert f"sweeps/{scene.burning}" not in only
    assert (
        "So much TRX is not staked, or a part of it is lent at the moment" in (await browser.get(f"{PAGE}/stake")).text
    )
    approval = (await browser.get(f"/desk/approvals/{scene.payout}")).text
    assert "of which" in approval
    assert "if all energy is staked" in approval

    figures = metrics.render(await gauges.gauges(clock.now())).decode()
    counts = await sweeps.counts(NETWORK)
    for line in (
        f'energy_left{{network="{NETWORK}"}} {float(resources.energy)}',
        f'energy_limit{{network="{NETWORK}"}} {float(resources.energy_limit)}',
        f'energy_price_raw{{network="{NETWORK}"}} 100.0',
        f'sweeps_waiting{{cost="dear",network="{NETWORK}"}} 2.0',
        f'sweeps_waiting{{cost="usual",network="{NETWORK}"}} {float(counts.waiting - 2)}',
    ):
        assert f"swap_pay_{line}" in figures, line
    assert re.search(rf'swap_pay_node_requests_total{{network="{NETWORK}",node="http://127[^"]*"}} \d\d', figures)


async def test_lists_go_on_by_page_without_a_row_twice(scene: TronScene) -> None:
    lists: list[Callable[[Place | None, int], Awaitable[Page[Any]]]] = [
        lambda place, limit: sweeps.page(NETWORK, "all", place, limit),
        lambda place, limit: sweeps.page(NETWORK, "dear", place, limit),
        lambda place, limit: energy.loans_page(NETWORK, place, limit),
        lambda place, limit: energy.stake_requests_page(NETWORK, place, limit),
    ]
    lengths = []
    for one in lists:
        whole = [row.id for row in await one(None, 50)]
        assert whole == sorted(whole, reverse=True)
        first = page = await one(None, 1)
        found = [row.id for row in page]
        while page.following is not None:
            page = await one(page.following, 1)
            found += [row.id for row in page]
        assert found == whole
        while page.previous is not None:
            page = await one(page.previous, 1)
        assert [row.id for row in page] == [row.id for row in first]
        lengths.append(len(whole))
    assert lengths == [4, 2, 1, 2]


async def test_a_dear_sweep_shows_its_share_and_is_approved_up_to_what_was_shown(
    scene: TronScene, account: Account, browser: Browser
) -> None:
    page = f"{PAGE}/sweeps/{scene.dear}"
    sweep = await sweeps.one(NETWORK, scene.dear)
    assert sweep is not None
    assert sweep.cost_raw is not None
    text = (await browser.get(page)).text
    share = sweep.cost_raw * 3 / 10 / 5_000_000  # 0.30 USDT for a TRX, of 5 USDT
    (shown,) = re.findall(r"Part of what it moves</dt><dd><bdi>([0-9.]+) %", text)
    assert float(shown) == pytest.approx(100 * share, abs=0.01)
    assert float(shown) > 1

    assert (await browser.send(f"{page}/approve", page, code="000000")).status_code == 422
    # The fields of a page that is open while the sweep becomes dearer.
    await database.execute("UPDATE sweep_candidates SET cost_raw = cost_raw + 1 WHERE id = $1", scene.dear)
    stale = await browser.send(f"{page}/approve", page, code=account.code(), up_to=str(sweep.cost_raw))
    assert "costs more by now" in errors(stale)
    # A form that says more than what the page has shown approves no more than that.
    done = await browser.send(f"{page}/approve", page, code=account.code(), up_to=str(10**12))
    assert "it is swept as soon as that is possible at this cost" in (await browser.led_on(done)).text
    held = await sweeps.approvals(NETWORK, 10)
    assert [(one.address, one.up_to_raw) for one in held][:1] == [(sweep.address, sweep.cost_raw + 1)]
    assert 'id="approve"' not in (await browser.get(page)).text
    await scene.setup.signer.tick()
    allowed = await sweeps.one(NETWORK, scene.dear)
    assert allowed is not None
    assert (allowed.is_dear, allowed.way) == (False, "wait"), "all energy is on loan: it waits for that alone"
    actions = await log.page(Filters(action="dear_sweep."), None, 10)
    assert [entry.action for entry in actions][:1] == ["dear_sweep.approved"]


async def test_an_approval_is_revoked(scene: TronScene, browser: Browser) -> None:
    page = f"{PAGE}/sweeps/approvals/{scene.approval}"
    done = await browser.send(f"{page}/revoke", page)
    assert "waits again" in (await browser.led_on(done)).text
    assert await sweeps.approvals(NETWORK, 10) == []
    assert (await browser.get(page)).status_code == 404
    assert 'id="approve"' in (await browser.get(f"{PAGE}/sweeps/{scene.approved}")).text


async def test_stake_is_requested_with_a_new_code_and_cancelled(
    scene: TronScene, account: Account, browser: Browser
) -> None:
    page = f"{PAGE}/stake"
    assert "takes 14 days" in (await browser.get(page)).text
    before = await energy.stake_requests_page(NETWORK, None, 10)
    for fields, words in (
        ({"action": "stake", "amount": "10", "code": "000000"}, "code"),
        ({"action": "mint", "amount": "10"}, "Choose one"),
        ({"action": "stake", "amount": ""}, "Enter an amount"),
        ({"action": "stake", "amount": "0.5", "code": "000000"}, "at least 1 TRX"),
    ):
        answer = await browser.send(page, page, **fields)
        assert words in errors(answer), fields
    assert await energy.stake_requests_page(NETWORK, None, 10) == before

    done = await browser.send(page, page, action="unstake", amount="12.5", code=account.code())
    assert "Requested" in (await browser.led_on(done)).text
    first = (await energy.stake_requests_page(NETWORK, None, 10))[0]
    assert (first.action, first.amount_raw, first.requested_by) == ("unstake", 12_500_000, account.id)
    one = f"{page}/{first.id}"
    done = await browser.send(f"{one}/cancel", one)
    assert "Cancelled" in (await browser.led_on(done)).text
    assert 'action="' + one + "/cancel" not in (await browser.get(one)).text
    done = await browser.send(page, page, action="withdraw", amount="", code=account.code())
    assert "Requested" in (await browser.led_on(done)).text
    actions = await log.page(Filters(action="stake."), None, 3)
    assert [entry.action for entry in actions] == ["stake.requested", "stake.cancelled", "stake.requested"]
