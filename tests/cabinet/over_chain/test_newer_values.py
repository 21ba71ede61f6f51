"""What a newer version stores is shown plainly by this one, and allows nothing: both work during an upgrade."""

import re
from collections.abc import Callable
from html import unescape

import asyncpg

from app.accounts import sessions
from app.core import clock
from app.core.newer import BEING_UPGRADED
from app.core.settings import Settings
from app.identity import cookies
from app.web.edge import Edge
from app.wiring import Services
from tests.cabinet.over_chain.test_rights import ROUTES, address
from tests.cabinet.world import World
from tests.factories.api_keys import api_key, bearer
from tests.factories.operators import operator
from tests.identity.browsing import Browser

NEWER = """
UPDATE memberships SET role = 'auditor' WHERE account = '{viewer}';
UPDATE merchant_invitations SET role = 'auditor';
UPDATE invoices SET status = 'splitting' WHERE id = '{paid}';
UPDATE deposits SET status = 'insured' WHERE invoice = '{paid}';
UPDATE deposits SET verdict = 'doubtful' WHERE invoice = '{late}';
UPDATE reviews SET reason = 'doubtful';
UPDATE withdrawals SET status = 'queued';
UPDATE events SET type = 'invoice.sparkled' WHERE type = 'invoice.created';
UPDATE events SET type = 'payout.queued.twice' WHERE type LIKE 'payout.%';
UPDATE webhook_deliveries SET status = 'resting';
UPDATE audit_entries SET action = 'moon.landed' WHERE id % 2 = 0;
UPDATE ledger_entries SET kind = 'moon_credit' WHERE kind = 'invoice_credit';
UPDATE background_jobs SET state = 'dreaming', kind = CASE WHEN id = '{job}' THEN 'moon' ELSE kind END;
UPDATE api_keys SET scopes = scopes || '{{moon.write}}'::varchar[];
INSERT INTO alerts (kind, severity, dedupe_key, message, details, raised_at, last_at, occurrences)
    VALUES ('moon_full', 'urgent', 'moon', 'The moon is full', '{{}}', now(), now(), 1);
"""

DESK = ("", "/approvals?state=decided", "/reviews", "/alerts", "/audit", "/merchants", "/holds", "/invoices/{paid}")


async def store(dsn: str, statements: str) -> None:
    """Store values that no constraint of this version allows, as if a newer one's migration had widened them."""
    connection = await asyncpg.connect(dsn)
    try:
        checks = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 2200"
        for table, name in await connection.fetch(checks):
            await connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        await connection.execute("SET session_replication_role = replica")  # no triggers: some tables never change
        await connection.execute(statements)
    finally:
        await connection.close()


async def test_every_page_goes_on_beside_a_newer_version(
    world: World, works: Services, browser: Callable[..., Browser], settings: Settings, app: Edge
) -> None:
    people: dict[str, str] = {role: account.id for role, account in world.people.items()}
    names = {"paid": world.paid_invoice.id, "late": world.late_invoice.id, "job": world.ids["job_id"], **people}
    key = await api_key(settings.api_key_peppers, merchant_id=world.terms.merchant_id, mode="test")
    await store(settings.database_url, NEWER.format(**names))
    # Every page of the cabinet is shown.
    owner = browser()
    await owner.sign_in(world.people["owner"])
    pages: dict[str, str] = {}
    wrong: dict[str, int] = {}
    for method, path in ROUTES:
        if method == "GET":
            answer = await owner.get(address(path, world.base, world.ids))
            pages[path] = " ".join(unescape(answer.text).split())
            if answer.status_code >= 500 and "/work/{job_id:str}" not in path:
                wrong[path] = answer.status_code
    assert wrong == {}
    of_a_newer_kind = await owner.get(f"{world.base}/work/{world.ids['job_id']}")
    assert (of_a_newer_kind.status_code, "retry-after" in of_a_newer_kind.headers) == (503, True)
    assert "Splitting" in pages["/invoices"]
    assert "Queued" in pages["/payouts"]
    assert "auditor" in pages["/team"].lower()
    assert re.search("Moon:? landed", pages["/audit"])
    paid = unescape((await owner.get(f"{world.base}/invoices/{world.paid_invoice.id}")).text)
    assert "Insured" in paid
    assert "Invoice sparkled" in paid
    assert "Moon credit" in pages["/ledger/{name:str}"]
    # So is what the API says,
    for path in ("/invoices", f"/invoices/{world.paid_invoice.id}", "/payouts", "/events", "/ledger/USDT@ethereum"):
        answer = await owner.get(f"/api/v1/merchant{path}", **bearer(key.full))
        assert answer.status_code < 500, path
    # and the desk, for an operator who has just signed in.
    ops = browser()
    hired = await operator(settings.data_keys)
    _, token = await sessions.open_session(hired.id, code_given=True, address="", user_agent="", now=clock.now())
    for path in DESK:
        shown = await ops.get(f"/desk{path.format(**names)}", Cookie=f"{cookies.SESSION}={token}")
        assert shown.status_code == 200, path
        if path == "/alerts":
            assert "Moon full" in shown.text
    # A role that is not known allows nothing, and the page says why.
    auditor = browser()
    await auditor.sign_in(world.people["viewer"])
    for path in ("", "/invoices", "/team", "/settings"):
        refused = await auditor.get(f"{world.base}{path}")
        words = " ".join(unescape(refused.text).split())
        assert refused.status_code == 403, path
        assert f"does not know your role, auditor, yet: {BEING_UPGRADED}" in words
    # A customer's page waits for the newer version instead of saying something wrong.
    for one in (world.paid_invoice, world.late_invoice):
        page = await browser().get(f"/pay/{works.links.slug(one.id)}")
        assert (page.status_code, "retry-after" in page.headers) == (503, True)
    fine = await browser().get(f"/pay/{works.links.slug(world.open_invoice.id)}")
    assert fine.status_code == 200
