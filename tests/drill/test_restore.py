"""A drill on a gateway that has gone on after the moment: what the copy lacks, and how each thing comes back."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec
import pytest

from app.cli.drill import _lines
from app.core import clock, database
from app.core.settings import Settings
from app.drill.report import Report
from app.ledger import checkpoints, checkpoints_repository
from app.signer.crash_points import CrashPoints
from app.signer.funds import UnknownTransaction
from app.signer.journal import Journal
from app.signer.kinds import signer_of
from app.signer.safeguards import Safeguards
from app.signer.signing import Signer
from app.wiring import Services, running, wire
from app.withdrawals.presentation import PayoutBody
from tests.books import assert_books
from tests.drill.conftest import DATABASE, Archived
from tests.factories.invoices import AskedInvoice, invoice
from tests.signer.conftest import NO_SWEEPS
from tests.signer.processes import swap_pay
from tests.signer.signer_under_test import NETWORK, SignerUnderTest

NEVER_SENT = "0x" + "5a" * 32
NOBODY_LISTENS = "127.0.0.1:1"


def with_journal(setup: SignerUnderTest, services: Services, journal: Path) -> Signer:
    """A signer that keeps a journal, and asks for no passkeys."""
    safeguards = Safeguards(None, Journal(journal))  # type: ignore[arg-type] # passkeys are tested elsewhere
    crash, sender = CrashPoints(is_production=False, env={}), services.networks.sender(NETWORK)
    return signer_of(services.networks.get(NETWORK), sender, setup.keys, services.withdrawals, crash, safeguards)


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    """Only what the new invoice's customer pays is worth a sweep."""
    return {"USDT": {"sweep_min_raw": 15_000_000}, "ETH": NO_SWEEPS}


@dataclass
class Story:
    """What happened: a backup; `open_invoice`, `sent` and `approved`, then the moment; the rest is in no backup."""

    base: Path
    moment: datetime
    journal: Path
    published: Path
    open_invoice: AskedInvoice
    new_invoice: AskedInvoice
    sent: PayoutBody
    approved: PayoutBody
    approved_txid: str
    requested: PayoutBody
    requested_txid: str

    @classmethod
    async def happened(cls, setup: SignerUnderTest, archived: Archived, folder: Path) -> Self:
        journal = folder / "journal"
        journal.touch(mode=0o600)
        setup.signer = with_journal(setup, setup.services, journal)
        base = await asyncio.to_thread(archived.base_backup, "base")
        open_invoice = await invoice(setup.services, setup.terms, amount="20.00", currency="USDT")
        sent, approved = await setup.approved("7.00"), await setup.request_payout("8.00")
        await setup.signer.tick()
        await setup.approve(approved.id)
        await signed_checkpoint(setup)
        moment = await archived.moment()
        new_invoice = await invoice(setup.services, setup.terms, amount="30.00", currency="USDT")
        for each in (open_invoice, new_invoice):
            await setup.send("USDT", each.pay_in.address, int(each.pay_in.amount_raw))
        approved_txid = await txid_of(setup, approved)
        requested = await setup.approved("9.00")
        requested_txid = await txid_of(setup, requested)
        Journal(journal).write(NEVER_SENT, [b"\7" * 32], [f"nonce:{setup.hot}:3"])
        await signed_checkpoint(setup)
        published = folder / "published.json"
        history = [one.published() for one in await checkpoints_repository.before(None, 9)]
        published.write_bytes(msgspec.json.encode({"data": history, "next_cursor": None}))
        await archived.archive_all()
        return cls(
            base=base,
            moment=moment,
            journal=journal,
            published=published,
            open_invoice=open_invoice,
            new_invoice=new_invoice,
            sent=sent,
            approved=approved,
            approved_txid=approved_txid,
            requested=requested,
            requested_txid=requested_txid,
        )


async def signed_checkpoint(setup: SignerUnderTest) -> None:
    keys = setup.services.settings.checkpoint_keys
    assert keys is not None
    await checkpoints.create(keys, clock.now())


async def txid_of(setup: SignerUnderTest, payout: PayoutBody) -> str:
    """Sign and send a payout, and put its transaction into blocks. Returns its id."""
    await setup.until_confirmed(payout.id)
    (sent,) = await setup.transactions(payout.id)
    return str(sent["txid"])


async def test_what_came_after_the_moment_is_found_and_comes_back(
    setup: SignerUnderTest, archived: Archived, environment: dict[str, str], tmp_path: Path
) -> None:
    story = await Story.happened(setup, archived, tmp_path)
    target = archived.folder / "copy"
    # When it is restored where neither the live database nor Redis can be reached,
    cut_off = {
        **environment,
        "DATABASE_URL": f"postgresql://postgres:x@{NOBODY_LISTENS}/{DATABASE}",
        "REDIS_URL": f"redis://{NOBODY_LISTENS}/0",
    }
    named = ("--base", str(story.base), "--archive", str(archived.archive), "--to", story.moment.isoformat())
    where = ("--target", str(target), "--programs", str(archived.programs), "--journal", str(story.journal))
    how = ("--published", str(story.published), "--keep", "--json")
    done = await asyncio.to_thread(swap_pay, cut_off, "drill", "restore", *named, *where, *how)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        report_names_all_of_it(msgspec.json.decode(done.stdout, type=Report), story)
        await database.close_pool()
        await gateway_goes_on(setup, copy_of(setup, archived, target), story)
    finally:
        await database.close_pool()
        os.kill(int((target / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGINT)


def report_names_all_of_it(report: Report, story: Story) -> None:
    (network,) = report.networks
    found = {(each.verdict, each.status, each.count, each.amount_raw) for each in network.deposits}
    assert found == {
        ("exact", "credited", 1, int(story.open_invoice.pay_in.amount_raw)),
        ("unknown", "suspended", 1, int(story.new_invoice.pay_in.amount_raw)),
    }
    missing = {each.txid: each for each in network.missing}
    assert set(missing) == {story.approved_txid, story.requested_txid, NEVER_SENT}
    assert [each.withdrawal for each in missing[story.approved_txid].payments] == [story.approved.id]
    assert [each.withdrawal for each in missing[story.requested_txid].payments] == [None]
    assert all(each.in_journal for each in network.missing)
    assert missing[NEVER_SENT].state == "nowhere"
    assert network.moves_attached >= 2  # gas, and the sweep of what the open invoice's customer has paid
    assert (report.signing, report.is_complete) == ("must wait", True)
    assert report.last_transaction_at is not None
    assert report.last_transaction_at <= story.moment
    assert report.rpo_s is not None
    assert report.rpo_s >= (report.began_at - story.moment).total_seconds()
    rows = {table.name: table.rows for table in report.tables}
    assert (rows["withdrawals"], rows["ledger_checkpoints"]) == (2, 1)
    # In words, for people.
    lines = "\n".join(_lines(report))
    assert "BAD" not in lines.replace("marked BAD", "")
    for words in (
        "1 deposit of 20.000001 USDT found again: credited",
        "1 deposit of 30.000001 USDT found again, and in review: unknown",
        f"swap-pay signer adopt-transaction {story.approved.id} --txid {story.approved_txid}",
        f"{story.requested_txid} has sent 9.00 USDT to {story.requested.destination}. no payout or refund",
        f"{NEVER_SENT}: signed for a payout or refund that the backup lacks; no node has it",
        "1 are those that were published, up to 1",
        "1 were published after the newest of the copy: they are lost",
        "Signing must wait",
    ):
        assert words in lines


def copy_of(setup: SignerUnderTest, archived: Archived, target: Path) -> Settings:
    """The settings of a gateway on the copy, which has the roles and passwords of the backup."""
    port = (target / "data" / "postmaster.pid").read_text().splitlines()[3]
    url = archived.url.replace(f":{archived.server.port}/", f":{port}/")
    return replace(setup.services.settings, database_url=url)


async def gateway_goes_on(setup: SignerUnderTest, settings: Settings, story: Story) -> None:
    async with running(wire(settings)) as services:
        (watcher,) = services.watchers()
        copy = replace(setup, services=services, watcher=watcher, signer=with_journal(setup, services, story.journal))
        # The signer halts until each transaction is attached: the one whose request was lost, to a new request.
        with pytest.raises(UnknownTransaction):
            await copy.signer.tick()
        again = await copy.approved("9.00", destination=story.requested.destination)
        for payout, txid in ((story.approved, story.approved_txid), (again, story.requested_txid)):
            code = copy.operator.next_code()
            await services.adoption.adopt(payout.id, txid, copy.operator.id, code, "as the drill says", clock.now())
        after = await copy.approved("5.00")
        await copy.until_confirmed(after.id)
        # Each payout was made once, each deposit is booked once, and the books agree with themselves and the chain.
        for payout in (story.sent, story.approved, again, after):
            assert (await copy.read(payout.id)).status == "confirmed"
            assert await copy.sent_to(payout.destination) == [int(payout.amount_raw)]
        await copy.check()
        await assert_books()
        # What was paid to the invoice that is lost waits for an operator, and nobody else is given its address.
        assert await reviewed_at(story.new_invoice.pay_in.address) == [("unknown", None)]
        new = await invoice(services, copy.terms, amount="30.00", currency="USDT")
        index = await database.fetch_value(
            "SELECT derivation_index FROM deposit_addresses WHERE address = $1", new.pay_in.address
        )
        assert index >= 600


async def reviewed_at(address: str) -> list[tuple[str, str | None]]:
    """The verdicts of the reviews of what was paid to an address, each with its invoice."""
    rows = await database.fetch_all(
        "SELECT d.verdict, d.invoice FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address"
        " JOIN reviews r ON r.deposit = d.id WHERE a.address = $1",
        address,
    )
    return [(row["verdict"], row["invoice"]) for row in rows]
