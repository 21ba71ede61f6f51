"""The security checklist, the settings and the audit log."""

import re
from datetime import timedelta

from app.api_keys import repository
from app.core import clock, database
from app.merchants import branding, settings
from app.merchants.service import terms_of
from app.web.edge import Edge
from tests.cabinet.people import SAME_ORIGIN, Office, problems
from tests.cabinet.test_keys import call_api, issued
from tests.checkout.pictures import png
from tests.factories.api_keys import api_key
from tests.identity.browsing import an_account, hidden, letters


async def test_a_finding_is_fixed_by_one_click(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner", totp=True)
    key = await api_key(
        office.settings.api_key_peppers, scopes=["balance.read"], mode="live", merchant_id=office.merchant_id
    )
    await call_api(app, key.full, "203.0.113.9")
    page = await owner.see("security")
    assert "integration works from every address" in page
    assert "Allow only 203.0.113.9" in page

    question = await owner.see(f"security/remedy?finding=no_allowlist%3A{key.id}")
    assert "Allow only 203.0.113.9?" in question
    assert "from every other address are refused" in question
    shown = await owner.do("security/remedy", {"finding": f"no_allowlist:{key.id}"})

    assert "works from that IP address only" in shown
    assert "integration works from every address" not in shown
    assert (await call_api(app, key.full, "198.51.100.1")).status_code == 403
    again = await owner.do("security/remedy", {"finding": f"no_allowlist:{key.id}"})
    assert "That was done already" in again


async def test_a_click_without_a_fresh_code_requests_one_and_names_the_action(office: Office) -> None:
    owner, viewer = await office.new_member("owner", totp=True), await office.new_member("viewer")
    clock.shift(timedelta(minutes=11))
    finding = {"finding": f"no_totp:{viewer.account.id}"}
    reply = await owner.send("security/remedy", finding)
    assert reply.status_code == 422
    assert "Viewer signs in with a password alone" in reply.text
    assert hidden(reply)["finding"] == finding["finding"]
    shown = await owner.do("security/remedy", {**finding, "code": owner.account.code()})
    assert "A reminder is on its way." in shown
    assert "two-step verification" in (await letters("viewer@example.test"))[0]


async def test_an_old_secret_is_rotated_and_shown(app: Edge, office: Office) -> None:
    owner = await office.new_member("owner")
    key = await api_key(
        office.settings.api_key_peppers,
        scopes=["balance.read"],
        mode="live",
        allowlist=["203.0.113.7"],
        merchant_id=office.merchant_id,
    )
    await database.execute(
        "UPDATE api_keys SET created_at = $2, last_used_at = $3 WHERE id = $1",
        key.id,
        clock.now() - timedelta(days=400),
        clock.now(),
    )
    answer = await owner.shown("security/remedy", {"finding": f"old_secret:{key.id}"})
    (new,) = set(re.findall(rf"sspay_sec_live_{key.id}_[\w-]+", answer.text))
    assert (await call_api(app, new)).status_code == (await call_api(app, key.full)).status_code == 200


async def test_remedies_link_to_pages_in_the_mode_of_the_key(office: Office) -> None:
    owner = await office.new_member("owner")
    key = await api_key(office.settings.api_key_peppers, mode="live", merchant_id=office.merchant_id)
    page = await owner.see("security")
    assert f'href="/cabinet/{office.merchant_id}/live/keys/{key.id}/edit"' in page
    assert f'href="/cabinet/{office.merchant_id}/test/team/invite?role=owner"' in page
    assert 'value="owner" checked' in await owner.see("team/invite?role=owner")


async def test_a_developer_sees_findings_and_sends_no_reminder(office: Office) -> None:
    developer, viewer = await office.new_member("developer"), await office.new_member("viewer")
    await developer.see("security")
    answer = await developer.send("security/remedy", {"finding": f"no_totp:{viewer.account.id}"})
    assert answer.status_code == 403
    await viewer.see("security", status=403)


async def test_the_terms_of_invoices_are_changed_by_allowed_roles_only(office: Office) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    assert not await settings.accepts_parts(office.merchant_id)
    reply = {"fee_payer": "customer", "accept_parts": "yes"}
    assert "It applies from the next invoice on" in await owner.do("settings", reply)
    assert await settings.fee_payer(office.merchant_id) == "customer"
    assert await settings.accepts_parts(office.merchant_id)
    assert (await terms_of(office.merchant_id, "test")).accept_parts
    seen = await viewer.see("settings")
    assert "The customer: it is added on top" in seen
    assert "Counts as a part" in seen
    assert (await viewer.send("settings", {"fee_payer": "merchant", "accept_parts": "no"})).status_code == 403
    assert problems(await owner.send("settings", {"fee_payer": "nobody", "accept_parts": "no"})) == [
        "Choose who pays the service fee."
    ]
    half = {"fee_payer": "merchant", "accept_parts": "perhaps"}
    assert problems(await owner.send("settings", half)) == [
        "Choose what happens to a transfer of less than the amount."
    ]
    assert await settings.fee_payer(office.merchant_id) == "customer", "all or nothing"
    log = await owner.see("audit")
    assert "Changed whether payments in parts are accepted" in log


async def test_the_payment_page_is_branded_and_previewed(office: Office) -> None:
    owner = await office.new_member("owner")
    token = hidden(await owner.browser.get(owner.path("settings/branding")))
    fields = {"display_name": "Harbour", "own_accent": "yes", "accent": "#ffee00"}
    preview = await owner.see("settings/preview?display_name=Harbour&own_accent=yes&accent=%23ffee00")
    assert "darkened from yours" in preview
    contrasts = [float(found) for found in re.findall(r"(\d+\.\d) to 1", preview)]
    assert len(contrasts) == 2
    assert min(contrasts) >= 4.5
    sheet = await owner.browser.get(owner.path("settings/accent/ffee00"))
    assert sheet.headers["content-type"].startswith("text/css")
    assert ".preview--light {--petrol: #" in sheet.text
    assert ".preview--dark {--petrol: #" in sheet.text
    assert ":root" not in sheet.text
    unsaved = await owner.send("settings/branding", {**fields, "then": "preview"})
    assert "darkened from yours" in unsaved.text
    assert (await branding.get(office.merchant_id)).accent is None

    saved = await owner.browser.client.post(
        owner.path("settings/branding"),
        data=token | fields,
        files={"logo": ("logo.png", png(64, 64), "image/png")},
        headers=SAME_ORIGIN,
    )

    assert saved.status_code == 303
    now = await branding.get(office.merchant_id)
    assert (now.display_name, now.accent) == ("Harbour", "#ffee00")
    logo = await owner.browser.get(owner.path("settings/logo"))
    assert (logo.headers["content-type"], logo.content) == ("image/png", png(64, 64))
    assert (await owner.see("settings/branding")).count("notice--caution") == 1, "only the template of a notice"
    line = await owner.browser.client.post(
        owner.path("settings/branding"),
        data=hidden(await owner.browser.get(owner.path("settings/branding"))) | fields,
        files={"logo": ("line.png", png(1024, 24), "image/png")},
        headers=SAME_ORIGIN,
    )
    assert line.headers["location"] == owner.path("settings/branding")
    shown = await owner.see("settings/branding")
    assert "The logo is 1024 × 24 pixels" in shown
    assert "only a strip of 1 pixels" in shown
    now = await branding.get(office.merchant_id)
    kept = await owner.send("settings/branding", {**fields, "display_name": "Pine"})
    assert kept.status_code == 303
    assert (await branding.get(office.merchant_id)).logo_tag == now.logo_tag
    await owner.send("settings/branding", {**fields, "own_accent": "no", "remove_logo": "on"})
    assert (await branding.get(office.merchant_id)) == branding.Branding(display_name="Harbour")


async def test_a_logo_that_is_no_image_is_refused_beside_its_field(office: Office) -> None:
    owner = await office.new_member("owner")
    token = hidden(await owner.browser.get(owner.path("settings/branding")))["csrf_token"]
    sent = await owner.browser.client.post(
        owner.path("settings/branding"),
        data={"csrf_token": token, "display_name": "Harbour", "own_accent": "no"},
        files={"logo": ("logo.svg", b"<svg onload='alert(1)'/>", "image/svg+xml")},
        headers=SAME_ORIGIN,
    )
    refused = await owner.browser.shown_again(sent)
    assert refused.status_code == 422
    assert problems(refused) == ["Choose a picture in PNG, JPEG or WebP format."]
    assert 'value="Harbour"' in refused.text


async def test_a_malformed_colour_has_no_stylesheet(office: Office) -> None:
    owner = await office.new_member("owner")
    for colour in ("zzzzzz", "ffffff;}", "fff", "%3Cscript"):
        await owner.see(f"settings/accent/{colour}", status=404)


async def test_the_audit_log_shows_who_did_what_and_can_be_filtered(office: Office) -> None:
    owner, developer = await office.new_member("owner"), await office.new_member("developer")
    await issued(developer, name="Till")
    await owner.do("settings", {"fee_payer": "customer", "accept_parts": "no"})
    log = await owner.see("audit")
    assert log.index("Changed who pays the fee") < log.index("Created an API key")
    assert "name: Till" in log
    assert "192.0.2.1" in log
    mine = await owner.see(f"audit?who=account:{developer.account.id}")
    assert "Created an API key" in mine
    assert "Changed who pays the fee" not in mine
    assert "Created an API key" not in await owner.see("audit?area=team")
    assert "Nothing matches these filters" in await owner.see("audit?from=2999-01-01")
    await developer.see("audit", status=403)


async def test_actions_of_operators_are_shown_without_name_and_address(office: Office) -> None:
    owner = await office.new_member("owner")
    operator = await an_account(office.settings, "operator@gateway.test", is_operator=True)
    for merchant_id in (office.merchant_id, None):
        await database.execute(
            """
            INSERT INTO audit_entries (at, actor, action, subject, merchant_id, address, details)
            VALUES ($1, $2, 'withdrawal.rejected', 'PO-1', $3, '198.51.100.77', '{"reason": "unclear"}')
            """,
            clock.now(),
            f"account:{operator.id}",
            merchant_id,
        )
    log = await owner.see("audit")
    assert "An operator of the gateway" in log
    assert "reason: unclear" in log
    assert log.count("Rejected a payout or refund") == 1
    for hidden_word in ("Mara", "198.51.100.77", operator.id):
        assert hidden_word not in log


async def test_the_audit_log_has_pages_and_old_bookmarks_do_no_harm(office: Office) -> None:
    owner = await office.new_member("owner")
    for number in range(55):
        await (await owner.member()).record("invoice.cancelled", f"INV-{number:010d}", clock.now())

    def subjects(page: str) -> list[str]:
        return list(dict.fromkeys(re.findall(r"INV-0\d{9}", page)))

    def beside(page: str, which: str) -> str:
        found = re.search(rf'href="[^"]*/audit(\?[^"]+)" rel="{which}"', page)
        return f"audit{found[1]}" if found else ""

    first = await owner.see("audit?area=invoice")
    assert first.count("Cancelled an invoice") == 25
    second = await owner.see(beside(first, "next").replace("&amp;", "&"))
    third = await owner.see(beside(second, "next").replace("&amp;", "&"))
    assert (third.count("Cancelled an invoice"), beside(third, "next")) == (5, "")
    back = await owner.see(beside(third, "prev").replace("&amp;", "&"))
    assert subjects(back) == subjects(second)  # the page before, not the first
    again = await owner.see(beside(back, "prev").replace("&amp;", "&"))
    assert (subjects(again), beside(again, "prev")) == (subjects(first), "")
    for after in ("nonsense", "MTcwMDAwMDAwMDAwMDAwMDpJTlYtMQ"):
        assert (await owner.see(f"audit?after={after}")).count("Cancelled an invoice") == 25


async def test_nothing_of_another_merchant_is_in_the_log(office: Office) -> None:
    owner = await office.new_member("owner")
    foreign = await api_key(office.settings.api_key_peppers, mode="test")
    assert foreign.merchant_id != office.merchant_id
    assert (await repository.list_keys(office.merchant_id, "test")) == []
    assert "Nothing is recorded yet" in await owner.see("audit")
