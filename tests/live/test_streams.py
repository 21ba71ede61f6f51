"""The streams of signed-in pages: who may follow what, what they say, and when they end."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape

import httpx

from app.accounts.operators import Operator
from app.alerts.service import raise_alert
from app.core import clock, database
from app.merchants import switches, team
from app.merchants.members import member
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.factories.operators import operator
from tests.identity.browsing import Account
from tests.live.conftest import Person, Shop, signed_in


class Heard:
    """An open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["cache-control"] == "no-store"
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, str]:
        """The next event and its data; comments are left out. ("", "") where the stream has ended."""
        event = ""
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                elif event and line.startswith("data:"):
                    return event, line.removeprefix("data:").strip()
        return "", ""


def address(shop: Shop, *topics: str, base: str = "") -> str:
    """The path of a stream."""
    return f"{base or shop.base}/live?" + "&".join(f"topic={topic}" for topic in topics)


@asynccontextmanager
async def following(shop: Shop, person: Person, *topics: str, base: str = "", since: str = "") -> AsyncIterator[Heard]:
    """A stream of these topics, once it is there."""
    before = await shop.served.open_streams()
    path = address(shop, *topics, base=base) + (f"&since={since}" if since else "")
    async with shop.served.client.stream("GET", path, headers=person.cookie) as answer:
        await shop.served.until_open(before + 1)
        yield Heard(answer)


async def test_a_pause_is_on_every_merchants_page_with_its_time_and_reason_within_a_second(shop: Shop) -> None:
    mara = await shop.person("mara")
    desk = await operator(shop.services.settings.data_keys)
    by = Operator(account_id=desk.id, address="192.0.2.8")

    async def notices() -> str:
        """What stands above every page."""
        page = (await shop.served.client.get(f"{shop.base}/invoices", headers=mara.cookie)).text
        above = page[page.index('id="notices"') : page.index("</aside>")]
        assert 'data-live="webhooks settings switches"' in above
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", above)).split())

    assert "paused" not in await notices()
    async with following(shop, mara, "switches") as hers:
        await switches.pause("invoices", "A node is wrong. We look into it.", by, clock.now())
        assert await hers.next() == ("changed", "switches")
        paused = r"New invoices are paused by the gateway since \d\d? \w+ \d{4}, \d\d:\d\d.*: A node is wrong"
        assert re.search(paused, await notices())
        await switches.resume("invoices", "It is right again.", by, clock.now())
        assert await hers.next() == ("changed", "switches")
    assert "paused" not in await notices()


async def test_a_page_hears_of_what_it_may_see_and_of_nothing_else(shop: Shop) -> None:
    mara, viewer, stranger = await shop.person("mara"), await shop.person("vic", "viewer"), await shop.person("sam")
    support = await shop.person("sue", "support")
    other = Shop(shop.services, await terms(service_fee_bps=0), shop.served)
    await database.execute(
        "UPDATE memberships SET merchant = $2 WHERE account = $1", stranger.account.id, other.terms.merchant_id
    )
    own = await invoice(shop.services, shop.terms)

    async def status(person: Person, *topics: str, base: str = "") -> int:
        """The answer to a request that is refused."""
        return (await shop.served.client.get(address(shop, *topics, base=base), headers=person.cookie)).status_code

    for wrong in ("nothing", "invoice", "invoices:x", "payout:", "invoice:a/b", "queue", "rates"):
        assert await status(mara, wrong) == 400, wrong
    assert await status(mara, *[f"export:{number}" for number in range(25)]) == 400
    assert await status(stranger, "invoices") == 404
    assert await status(stranger, f"invoice:{own.id}", base=other.base) == 404
    assert await status(mara, f"payout:{own.id}") == 404
    assert await status(viewer, "keys") == 403
    for unseen in ("payouts", "payout:PO-0000000000", "balances", "exports", "export:7", "keys", "deliveries", "audit"):
        assert await status(support, unseen) == 403, unseen
    assert await status(mara, "queue", base="/desk") == 404
    nobody = await shop.served.client.get(address(shop, "invoices"), headers={"HX-Request": "true"})
    assert nobody.status_code == 401

    async with (
        following(shop, mara, f"invoice:{own.id}", "keys", "invoices") as hers,
        following(shop, viewer, "keys", "invoices") as his,
        following(shop, support, "payouts", "balances", "invoices", "audit") as theirs,
        following(shop, stranger, "invoices", "export:7", base=other.base) as foreign,
    ):
        by = await member(mara.account.id, shop.terms.merchant_id, address=None)
        assert by is not None
        await shop.services.invoices.cancel_by(by, "test", own.id, clock.now())
        assert set((await hers.next())[1].split()) == {f"invoice:{own.id}", "invoices"}
        assert await his.next() == ("changed", "invoices")
        assert await theirs.next() == ("changed", "invoices"), "the audit log has an entry too"
        await invoice(shop.services, other.terms)
        assert await foreign.next() == ("changed", "invoices")

    # What changed between the reading of the page and the beginning of its stream is said at once.
    page = await shop.served.client.get(f"{shop.base}/invoices", headers=mara.cookie)
    read_at = page.text.split('data-live-at="')[1].split('"')[0]
    await invoice(shop.services, shop.terms)
    async with following(shop, mara, "invoices", "payouts", since=read_at) as late:
        assert await late.next() == ("changed", "invoices")
    async with following(shop, mara, "invoices", "payouts", since="1000000000000") as old:
        assert await old.next() == ("changed", "invoices payouts")


async def test_it_ends_with_the_session_and_with_the_right_to_see(shop: Shop) -> None:
    mara, ola, vic = await shop.person("mara"), await shop.person("ola"), await shop.person("vic", "developer")
    ben = await shop.person("ben", "accountant")
    staff = await operator(shop.services.settings.data_keys)
    desk = await signed_in(Account(id=staff.id, email=staff.email, password="", totp_secret=""))
    by = await member(mara.account.id, shop.terms.merchant_id, address=None)
    assert by is not None
    async with (
        following(shop, mara, "team") as staying,
        following(shop, ola, "invoices") as leaving,
        following(shop, vic, "keys", "invoices") as demoted,
        following(shop, ben, "balances", "payouts") as moved,
        following(shop, desk, "queue", "alerts", base="/desk") as at_desk,
    ):
        # Signed out in another tab: at once.
        page = await shop.served.client.get(f"{shop.base}/invoices", headers=ola.cookie)
        token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
        left = await shop.served.client.post(
            "/sign-out", data={"csrf_token": token}, headers=ola.cookie | {"Sec-Fetch-Site": "same-origin"}
        )
        assert left.status_code == 303
        assert await leaving.next() == ("ended", "")
        assert await leaving.next() == ("", "")
        # A smaller role: the stream ends, and the page that connects again hears of what is left.
        await team.change_role(by, vic.account.id, "viewer", clock.now())
        assert await staying.next() == ("changed", "team")
        assert await demoted.next() == ("ended", "")
        await team.change_role(by, ben.account.id, "support", clock.now())
        assert await moved.next() == ("ended", "")
        await raise_alert(severity="warning", kind="k", dedupe_key="k", message="m", details={}, now=clock.now())
        assert set((await at_desk.next())[1].split()) == {"alerts", "queue"}
