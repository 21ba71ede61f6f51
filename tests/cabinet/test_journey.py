"""Keys, webhooks and team in a real browser from end to end, and a check of every page.

The console has no messages (CSP violations would appear there), axe finds nothing in either scheme, every page fits.
"""

import asyncio
from datetime import timedelta

import httpx
import pytest
from playwright.async_api import expect

from app.api_keys import administration, service
from app.core import clock
from app.merchants import invitations
from app.merchants.members import member
from app.webhooks import pausing
from tests.cabinet.shop import Shop, receiver, shop
from tests.checkout.pictures import png, white_png
from tests.factories.api_keys import api_key
from tests.factories.webhooks import make_endpoint
from tests.identity.browsing import an_account, letters
from tests.page_checks import check_page
from tests.webhooks.receiving import Receiver, dispatching, response
from tests.webhooks.test_delivery import happen, until_settled

__all__ = ["receiver", "shop"]


async def api_reply(shop: Shop, key: str) -> tuple[int, str]:
    """Call the API with a key. Returns the status, and the error code of a refusal."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(
            f"http://127.0.0.1:{shop.app.port}/api/v1/merchant/balance", headers={"Authorization": f"Bearer {key}"}
        )
    return answer.status_code, answer.json().get("error", {}).get("code", "")


async def test_a_key_is_created_used_rotated_and_revoked(shop: Shop) -> None:
    await shop.new_member("owner")
    page = await shop.sign_in("owner@example.test")
    await page.goto(shop.url("keys"))
    await page.get_by_role("link", name="New key").first.click()
    await page.get_by_role("button", name="Create key").click()
    await expect(page.get_by_role("alert", name="There is a problem")).to_be_focused()
    await page.get_by_label("Name", exact=True).fill("Shop server")
    await page.get_by_label("Read balance and ledger").check()
    await page.get_by_role("button", name="Create key").click()
    secret = await page.get_by_role("textbox", name="API key").inner_text()
    assert await api_reply(shop, secret) == (200, "")

    await page.get_by_role("link", name="I have it").click()
    await expect(page.get_by_text("from the IP address 127.0.0.1")).to_be_visible()
    assert secret.split("_", 4)[4] not in await page.content()
    await page.get_by_role("link", name="Rotate").click()
    await page.get_by_label("None: the old secret ends now").check()
    await page.get_by_role("button", name="Rotate key").click()
    new = await page.get_by_role("textbox", name="API key").inner_text()
    assert await api_reply(shop, secret) == (401, "INVALID_API_KEY")
    assert await api_reply(shop, new) == (200, "")

    await page.get_by_role("link", name="I have it").click()
    await page.get_by_role("link", name="Revoke").click()
    await page.get_by_role("button", name="Revoke key").click()
    await expect(page.get_by_text("Shop server is revoked.")).to_be_visible()
    assert await api_reply(shop, new) == (401, "API_KEY_REVOKED")


async def test_a_webhook_is_paused_enabled_and_replayed(shop: Shop, receiver: Receiver) -> None:
    await shop.new_member("developer")
    page = await shop.sign_in("developer@example.test")
    await page.goto(shop.url("webhooks/new"))
    await page.get_by_label("URL").fill(receiver.url())
    await page.get_by_role("button", name="Create endpoint").click()
    await page.get_by_role("link", name="I have it").click()
    receiver.always(response(500, body="not today"))
    async with dispatching(receiver, shop.settings.data_keys):
        await happen(shop.merchant_id, 20)
        await receiver.until(lambda: len(receiver.requests) >= 20, timeout_s=60)
        async with asyncio.timeout(30):
            while not await pausing.pause_failing(clock.now()):  # the job of the default worker
                await asyncio.sleep(0.05)
        await expect(page.get_by_text("A webhook is paused.")).to_have_count(0)
        async with page.expect_navigation():
            await page.reload()
        await expect(page.get_by_text("20 deliveries in a row failed")).to_be_visible(timeout=20_000)
        failed = len(receiver.requests)
        await happen(shop.merchant_id, 2)
        receiver.always(response(200))

        await page.get_by_role("link", name="See why, and enable it").click()
        await page.get_by_role("button", name="Enable").click()
        await expect(page.get_by_text("What waited goes out now, in order.")).to_be_visible()
        await receiver.until(lambda: len(receiver.requests) == failed + 22, timeout_s=60)
        await until_settled()
        assert [request.seq for request in receiver.requests[failed:]] == list(range(1, 23))

        await page.reload()
        await page.get_by_role("button", name="Send again").first.click()
        await expect(page.get_by_text("The event goes out again, now.")).to_be_visible()
        await receiver.until(lambda: len(receiver.requests) == failed + 23, timeout_s=60)
        await until_settled()
        await page.get_by_role("link", name="Send events again").click()
        await page.get_by_label("Since").fill(clock.now().date().isoformat())
        await page.get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("22 events go out again, oldest first.")).to_be_visible()
        await receiver.until(lambda: len(receiver.requests) == failed + 45, timeout_s=60)
        await until_settled()


async def test_a_new_viewer_can_not_do_what_viewers_may_not(shop: Shop) -> None:
    owner_id = await shop.new_member("owner")
    owner = await shop.sign_in("owner@example.test")
    await owner.goto(shop.url("team"))
    await owner.get_by_role("link", name="Invite somebody").click()
    await owner.get_by_label("Email address").fill("guest@example.test")
    await owner.get_by_label("Viewer", exact=True).check()
    await owner.get_by_role("button", name="Send invitation").click()
    await expect(owner.get_by_text("An invitation is on its way to guest@example.test.")).to_be_visible()

    await an_account(shop.settings, "guest@example.test")
    guest = await shop.sign_in("guest@example.test")
    words = [word for letter in await letters("guest@example.test") for word in letter.split()]
    await guest.goto(next(word for word in words if "/invitation?token=" in word))
    await guest.locator("main").get_by_role("button").first.click()
    await guest.goto(shop.url("team"))

    navigation = guest.get_by_role("navigation", name="Main")
    await expect(navigation.get_by_role("link", name="Invoices")).to_be_visible()
    for forbidden in ("API keys", "Webhooks", "Events", "Security", "Audit log"):
        await expect(navigation.get_by_role("link", name=forbidden)).to_have_count(0)
    await expect(guest.get_by_role("link", name="Invite somebody")).to_have_count(0)
    for place in ("keys", "keys/new", "webhooks", "events", "team/invite", f"team/{owner_id}", "security", "audit"):
        answer = await guest.goto(shop.url(place))
        assert answer is not None
        assert answer.status == 403, place
        await expect(guest.get_by_role("heading", name="You may not do that")).to_be_visible()
    await owner.goto(shop.url("team"))
    await expect(owner.get_by_role("row", name="guest@example.test")).to_contain_text("Viewer")


async def test_the_preview_of_the_payment_page_follows_the_choices(shop: Shop) -> None:
    await shop.new_member("owner")
    page = await shop.sign_in("owner@example.test")
    await page.goto(shop.url("settings/branding"))
    preview = page.get_by_role("region", name="Preview of the payment page, on light")
    petrol = await preview.locator(".preview__button").evaluate("e => getComputedStyle(e).backgroundColor")
    await page.get_by_label("Name").press_sequentially("Nordlicht Fahrräder")
    await expect(preview).to_contain_text("Nordlicht Fahrräder")
    await page.get_by_label("A colour of ours").check()
    await page.get_by_label("Our colour").fill("#ffee00")
    await expect(page.get_by_text("darkened from yours")).to_be_visible()
    await expect(preview.locator(".preview__button")).not_to_have_css("background-color", petrol)
    # A chosen logo is shown and measured before it is saved, and stays while the other fields change.
    for data, words in ((png(1024, 24), "only a strip of 1 pixels"), (white_png(96), "is nearly white itself")):
        await page.get_by_label("Logo").set_input_files({"name": "l.png", "mimeType": "image/png", "buffer": data})
        await expect(page.locator("#logo-advice")).to_contain_text(words)
    await page.get_by_label("Our colour").fill("#ffdd00")
    await expect(page.get_by_text("#ffdd00")).to_be_visible()
    await expect(page.locator("#logo-advice")).to_contain_text("is nearly white itself")
    for scheme in ("light", "dark"):
        await expect(page.locator(f".preview--{scheme} canvas")).to_be_visible()
        surface = await page.locator(f".preview--{scheme}").evaluate("e => getComputedStyle(e).backgroundColor")
        assert surface == {"light": "rgb(255, 254, 251)", "dark": "rgb(17, 27, 30)"}[scheme]
    await page.get_by_label("Logo").set_input_files({"name": "l.png", "mimeType": "image/png", "buffer": png(96, 96)})
    await expect(page.locator("#logo-advice")).to_be_empty()
    await page.get_by_label("Our colour").fill("#ffee00")
    await expect(page.get_by_text("#ffee00")).to_be_visible()
    await check_page(page, "cabinet-branding-chosen")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved. Customers see it from now on.")).to_be_visible()
    await expect(page.get_by_text("#ffee00")).to_be_visible()


@pytest.mark.timeout(600)  # every page of the cabinet, four times
async def test_every_page_is_in_order_at_both_widths_and_in_both_schemes(shop: Shop, receiver: Receiver) -> None:
    owner_id, developer_id = await shop.new_member("owner"), await shop.new_member("developer")
    page = await shop.sign_in("owner@example.test")
    places = await furnished(shop, receiver, owner_id, developer_id)
    for name, place in places.items():
        await page.goto(shop.url(place))
        await check_page(page, f"cabinet-{name}")
    await page.goto(shop.url("keys/new"))
    await page.get_by_role("button", name="Create key").click()
    await check_page(page, "cabinet-keys-new-refused")
    await page.goto(shop.url(places["key-rotate"]))
    await page.get_by_role("button", name="Rotate key").click()
    await check_page(page, "cabinet-key-secret")
    await page.goto(shop.url(places["member-secrets"]))
    await page.get_by_role("button", name="Rotate selected secrets").click()
    await check_page(page, "cabinet-member-rotated")
    for name, place in {"keys": "keys", "webhooks": "webhooks", "events": "events"}.items():
        await page.goto(shop.url(place, mode="live"))
        await check_page(page, f"cabinet-{name}-empty")


async def furnished(shop: Shop, receiver: Receiver, owner_id: str, developer_id: str) -> dict[str, str]:
    """Fill the merchant with objects. Returns each page's path by a name."""
    developer = await member(developer_id, shop.merchant_id, address="198.51.100.7")
    owner = await member(owner_id, shop.merchant_id, address="198.51.100.4")
    assert developer is not None
    assert owner is not None
    key, _ = await administration.issue(
        developer,
        shop.settings.api_key_peppers,
        mode="test",
        name="Shop server",
        scopes=["invoices.write", "balance.read", "events.read"],
        allowlist=["203.0.113.7", "2001:db8:1234::/48"],
        rate_limit_per_minute=120,
        expires_at=clock.now() + timedelta(days=90),
        now=clock.now(),
    )
    await api_key(shop.settings.api_key_peppers, scopes=["payouts.write"], mode="live", merchant_id=shop.merchant_id)
    long = "An integration with a name as long as names may be, which is one hundred characters, and a bit more"
    await api_key_named(shop, long)
    endpoint = await make_endpoint(
        merchant_id=shop.merchant_id,
        mode="test",
        url=receiver.url("/a/rather/long/path/that/goes/on/and/on/and/does/not/end/soon?with=parameters&and=more"),
        keys=shop.settings.data_keys,
        now=clock.now(),
    )
    await make_endpoint(
        merchant_id=shop.merchant_id,
        mode="test",
        url="https://paused.example/hook",
        keys=shop.settings.data_keys,
        now=clock.now(),
        event_types=["invoice.paid", "refund.confirmed"],
        status="disabled",
    )
    async with dispatching(receiver, shop.settings.data_keys):
        event_id = await happen(shop.merchant_id, 3)
        await receiver.until(lambda: len(receiver.requests) == 3)
        await until_settled()
    await invitations.invite(
        owner,
        "a.colleague.with.a.long.address@department.of.a.business.example",
        "admin",
        public_url="https://pay.example.test",
        now=clock.now(),
    )
    return {
        "keys": "keys",
        "keys-new": "keys/new",
        "key": f"keys/{key.id}",
        "key-edit": f"keys/{key.id}/edit",
        "key-rotate": f"keys/{key.id}/rotate",
        "key-revoke": f"keys/{key.id}/revoke",
        "webhooks": "webhooks",
        "webhooks-new": "webhooks/new",
        "webhook": f"webhooks/{endpoint.id}",
        "webhook-edit": f"webhooks/{endpoint.id}/edit",
        "webhook-rotate": f"webhooks/{endpoint.id}/rotate",
        "webhook-replay": f"webhooks/{endpoint.id}/replay",
        "webhook-secret": f"webhooks/{endpoint.id}/secret",
        "webhook-delete": f"webhooks/{endpoint.id}/delete",
        "events": "events",
        "event": f"events/{event_id}",
        "team": "team",
        "team-invite": "team/invite",
        "team-leave": "team/leave",
        "member": f"team/{developer_id}",
        "member-remove": f"team/{developer_id}/remove",
        "member-secrets": f"team/{developer_id}/secrets",
        "security": "security",
        "settings": "settings",
        "branding": "settings/branding",
        "prices": "settings/prices",
        "embedding": "settings/embedding",
        "returns": "settings/returns",
        "audit": "audit",
    }


async def api_key_named(shop: Shop, name: str) -> None:
    """A key with a name of its own."""
    await service.issue(
        shop.settings.api_key_peppers,
        merchant_id=shop.merchant_id,
        mode="test",
        name=name,
        scopes=["invoices.read"],
        allowlist=[],
        seen_by=None,
        now=clock.now(),
    )
