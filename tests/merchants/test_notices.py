"""Emails to a merchant's members, by their role, about payouts, refunds, keys and paused services."""

import asyncio
from datetime import timedelta

import pytest

from app.accounts import email_choices
from app.accounts.operators import Operator as Deciding
from app.api_keys import administration
from app.core import clock, database
from app.mail.letters import ALLOWANCES, Kind
from app.merchants import notices, switches
from app.merchants.members import Member, member
from app.wiring import Services
from tests.factories import withdrawals
from tests.factories.letters import letters
from tests.factories.merchants import make_member, merchant, terms
from tests.factories.operators import operator

SITE = "https://pay.example.test"


async def person(merchant_id: str, role: str, email: str) -> Member:
    """A member of a merchant."""
    account_id = await make_member(merchant_id=merchant_id, role=role, email=email, now=clock.now())
    found = await member(account_id, merchant_id, address="192.0.2.7")
    assert found is not None
    return found


async def made() -> int:
    """Make the waiting notices into emails, by two workers at once."""
    return sum(await asyncio.gather(*(notices.make_emails(SITE, clock.now()) for _ in range(2))))


async def test_payouts_are_reported_to_owners_admins_and_accountants_who_want_it(services: Services) -> None:
    merchant_id = (await terms(service_fee_bps=80)).merchant_id
    owner = await person(merchant_id, "owner", "owner@shop.example")
    muted = await person(merchant_id, "admin", "muted@shop.example")
    for role in ("viewer", "developer", "support", "accountant"):
        await person(merchant_id, role, f"{role}@shop.example")
    await email_choices.choose(muted.account_id, ["keys", "nonsense"], address="192.0.2.7", now=clock.now())
    boss = await operator(services.settings.data_keys)
    await withdrawals.fund(merchant_id, 50_000_000)
    sent = await withdrawals.payout(services, merchant_id, "12.50", requested_by=owner.actor)
    refused = await withdrawals.payout(services, merchant_id, "3.00")
    async with database.transaction():  # by a newer version, beside this one
        await notices.record(
            "moon_landed",
            merchant_id=merchant_id,
            mode="test",
            subject=sent.id,
            actor="system",
            facts={},
            now=clock.now(),
        )
    assert await made() == 0, "nothing is said about requests"
    await withdrawals.approve(services, sent.id, boss)
    await withdrawals.send(services, sent.id)
    await withdrawals.confirm(services, sent.id)
    await services.approvals.reject(refused.id, boss.id, "the address is not yours", clock.now())

    assert await made() == 2

    written = await letters()
    told = {"owner@shop.example", "accountant@shop.example"}
    assert sorted((one.recipient, one.subject) for one in written) == sorted(
        (recipient, f"Your payout was {step}") for recipient in told for step in ("confirmed", "rejected")
    )
    rejected, confirmed = (
        next(one for one in written if one.subject.endswith(step)) for step in ("rejected", "confirmed")
    )
    for words in (
        f"The payout of 12.50 USDT to {withdrawals.CUSTOMER} on ethereum is confirmed. Transaction: 0x",
        "(test mode: no real money)",
        "Requested by: A Person",
        "(UTC)",
        f"{SITE}/cabinet/{merchant_id}/test/payouts/{sent.id}",
        "revoke the API keys",
        f"{SITE}/account/emails",
    ):
        assert words in confirmed.body, confirmed.body
    assert "the address is not yours" in rejected.body
    assert "back in your balance" in rejected.body
    assert boss.email not in rejected.body
    assert await made() == 0
    left = "SELECT count(*) FROM merchant_notices WHERE kind = 'moon_landed'"
    assert await database.fetch_value(left) == 1, "it is left to the workers that know it"


async def test_a_failed_payout_is_reported_and_a_flood_ends_at_the_allowance(services: Services) -> None:
    merchant_id = (await terms(service_fee_bps=80)).merchant_id
    await person(merchant_id, "owner", "owner@shop.example")
    boss = await operator(services.settings.data_keys)
    await withdrawals.fund(merchant_id, 50_000_000)
    failing = await withdrawals.payout(services, merchant_id)
    await withdrawals.approve(services, failing.id, boss)
    await withdrawals.send(services, failing.id)
    await withdrawals.revert(services, failing.id)
    await made()
    (failed,) = await letters()
    assert failed.subject == "Your payout has failed"
    facts = {"amount": "1 USDT", "destination": "0x0", "chain": "ethereum", "txid": "0x0", "reason": ""}
    for n in range(60):
        async with database.transaction():
            await notices.record(
                "payout.confirmed",
                merchant_id=merchant_id,
                mode="test",
                subject=f"PO-{n}",
                actor="system",
                facts=facts,
                now=clock.now(),
            )
    assert await made() == 60
    assert len(await letters()) == ALLOWANCES[Kind.NOTICE].per_hour
    async with database.transaction():
        await notices.record_for_all(
            "switch.paused", subject="x", actor="system", facts={"noun": "x", "reason": "y"}, now=clock.now()
        )
    await made()
    assert (await letters())[0].subject == "The gateway has paused a service", "others have an allowance of their own"


async def test_keys_are_reported_with_who_and_from_where(services: Services) -> None:
    merchant_id = await merchant()
    owner = await person(merchant_id, "owner", "owner@shop.example")
    developer = await person(merchant_id, "developer", "dev@shop.example")
    peppers, now = services.settings.api_key_peppers, clock.now()
    key, _ = await administration.issue(
        developer,
        peppers,
        mode="live",
        name="shop.example till",
        scopes=["invoices.read"],
        allowlist=[],
        rate_limit_per_minute=60,
        expires_at=None,
        now=now,
    )
    await administration.rotate(owner, peppers, mode="live", key_id=key.id, grace_hours=1, now=now)
    await administration.revoke(owner, mode="live", key_id=key.id, now=now)
    await administration.revoke(owner, mode="live", key_id=key.id, now=now)
    assert await made() == 3
    found = {each.subject: each for each in await letters()}
    assert set(found) == {"An API key was revoked", "An API key was rotated", "A new API key was made"}
    assert {each.recipient for each in found.values()} == {"owner@shop.example"}
    new = found["A new API key was made"].body
    assert 'The API key "shop[.]example till" was made. It may: invoices.read. IP address: 192.0.2.7' in new
    assert f"{SITE}/cabinet/{merchant_id}/live/keys/{key.id}" in new
    assert "no real money" not in new


async def test_a_change_that_is_rolled_back_tells_nobody(services: Services) -> None:
    merchant_id = await merchant()
    owner = await person(merchant_id, "owner", "owner@shop.example")
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await notices.record(
                "api_key.revoked",
                merchant_id=merchant_id,
                mode="live",
                subject="k",
                actor=owner.actor,
                facts={"name": "k", "address": "-"},
                now=clock.now(),
            )
            raise ZeroDivisionError
    assert await made() == 0


async def test_a_pause_of_new_invoices_is_told_to_every_merchant(services: Services) -> None:
    for n in range(3):
        await person(await merchant(), "owner", f"owner{n}@shop.example")
    await person(await merchant(status="banned"), "owner", "banned@shop.example")
    boss = await operator(services.settings.data_keys)
    by = Deciding(account_id=boss.id, address="192.0.2.1")
    await switches.pause("invoices", "a node is wrong", by, clock.now())
    await made()
    assert sorted(each.recipient for each in await letters()) == [f"owner{n}@shop.example" for n in range(3)]
    assert "New invoices are paused for all merchants. Reason: a node is wrong" in (await letters())[0].body
    await switches.resume("invoices", "it is right again", by, clock.now() + timedelta(minutes=1))
    await made()
    assert "New invoices are accepted again." in (await letters())[0].body


def test_every_kind_has_whole_words() -> None:
    for kind, words in notices.WORDS.items():
        assert words.topic in email_choices.TOPICS, kind
        assert words.subject[0].isupper()
        assert words.what.rstrip().endswith((".", "}")), kind
