"""An attacker who can write everything in the database, and has the secrets of web and workers, tries to be paid."""

import json
from pathlib import Path

import pytest

from app.accounts.passkeys import PasskeyRefused
from app.core import clock, database, ids
from app.core.webauthn import request_options, to_text
from app.signer import approvers
from app.signer.approvers import ApproversFileError
from app.signer.journal import Journal, JournalError
from app.withdrawals import repository as withdrawals
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.digest import digest
from tests.factories.tampering import as_superuser
from tests.fakes.authenticator import Authenticator
from tests.signer.approving import AMOUNT, Desk, approvers_toml
from tests.signer.crashing import Killed, KilledAt
from tests.signer.signer_under_test import SignerUnderTest, new_address

TWO_ABOVE_TEN = '[[rules]]\napprovals = 1\n\n[[rules]]\napprovals = 2\nasset = "USDT"\nabove = "10"\n'


@pytest.fixture
async def desk(setup: SignerUnderTest, tmp_path: Path) -> Desk:
    """Ada and Ben approve by passkey; the signer asks for one of them, for both above ten dollars."""
    desk = Desk(setup, tmp_path)
    await desk.enrol("ada")
    await desk.enrol("ben")
    desk.use_file("ada", "ben", rules=TWO_ABOVE_TEN)
    return desk


async def test_what_a_passkey_has_signed_is_paid(desk: Desk) -> None:
    payout = await desk.approved("ada")
    assert (await desk.setup.until_confirmed(payout)).status == "confirmed"
    (entry,) = await database.fetch_all(
        "SELECT details FROM audit_entries WHERE action = 'withdrawal.signed_by_passkey'"
    )
    printed = json.loads(entry["details"])
    assert json.loads(printed["answer"])["type"] == "public-key"
    assert printed["public_key"] == to_text(desk.devices["ada"].public_key)
    await desk.setup.check()


async def test_an_approval_by_code_alone_waits_and_goes_on_once_it_is_signed(desk: Desk) -> None:
    payout = await desk.setup.approved(AMOUNT)
    await desk.setup.rounds(2)
    waits = await database.fetch_value("SELECT waiting_reason FROM withdrawals WHERE id = $1", payout.id)
    assert waits == "it waits for approval by passkey: 0 of 1 that the signer asks for"
    assert await desk.setup.transactions(payout.id) == []
    await desk.approve("ben", payout.id)
    assert (await desk.setup.until_confirmed(payout.id)).status == "confirmed"
    await desk.setup.check()


async def test_the_rules_say_how_many_people_must_have_signed(desk: Desk) -> None:
    small, large = await desk.approved("ada", amount="10.00"), await desk.approved("ada", amount="10.000001")
    await desk.setup.until_confirmed(small)
    await desk.assert_nothing_signed(large, reason="1 of 2")
    with pytest.raises(ApprovalRefused, match="signed it already"):
        await desk.approve("ada", large)
    second = Authenticator(desk.origin)  # another passkey of the same person is no second person
    await desk.store(desk.operators["ada"], second)
    await desk.approve("ben", large)
    assert (await desk.setup.until_confirmed(large)).status == "confirmed"
    await desk.setup.check()


async def test_two_passkeys_of_one_person_count_once(desk: Desk) -> None:
    second = Authenticator(desk.origin)
    await desk.store(desk.operators["ada"], second)
    text = approvers_toml(desk.origin, ("ada", desk.devices["ada"]), ("ada", second), ("ben", desk.devices["ben"]))
    (desk.folder / "approvers.toml").write_text(text.replace("approvals = 1", "approvals = 2"))
    desk.restart()
    payout = await desk.request()
    await desk.approve("ada", payout)
    answer = await desk.signed_by("ada", payout, device=second)
    await as_superuser(
        "INSERT INTO approval_signatures (withdrawal, account, digest, passkey_name, answer, created_at)"
        f" SELECT id, '{desk.operators['ben'].id}', digest, 'x', '{answer}', now() FROM withdrawals"
        f" WHERE id = '{payout}'"
    )
    await desk.assert_nothing_signed(payout, reason="1 of 2")


# --- The attacks: what somebody writes who owns the database --------------------------------


async def test_a_forged_withdrawal_with_a_forged_approval_is_not_paid(desk: Desk) -> None:
    payout = await desk.request()
    mallory = Authenticator(desk.origin)
    await desk.store(desk.operators["ada"], mallory)  # a public key of the attacker's own, in ada's name
    await desk.forge(payout, await desk.signed_by("", payout, device=mallory))
    await desk.assert_nothing_signed(payout, reason="0 of 1")


async def test_an_operator_whom_the_attacker_has_added_does_not_count(desk: Desk) -> None:
    await desk.enrol("mallory")
    payout = await desk.approved("mallory")
    await desk.assert_nothing_signed(payout, reason="0 of 1")


@pytest.mark.parametrize(
    "change",
    [
        "destination = '{stranger}'",
        "amount_raw = amount_raw + 1",
        "destination_memo = 'mine'",
        "asset = 'ETH'",
    ],
)
async def test_an_edited_payment_is_not_paid(desk: Desk, change: str) -> None:
    payout = await desk.approved("ada")
    change = change.format(stranger=new_address())
    await as_superuser(f"UPDATE withdrawals SET {change} WHERE id = '{payout}'")
    row = await withdrawals.requested(payout)
    assert row is not None
    new = digest(row.intent).hex()  # the attacker writes the digest that fits, everywhere
    await as_superuser(
        f"UPDATE withdrawals SET digest = '\\x{new}' WHERE id = '{payout}'",
        f"UPDATE approvals SET digest = '\\x{new}' WHERE withdrawal = '{payout}'",
        f"UPDATE approval_signatures SET digest = '\\x{new}' WHERE withdrawal = '{payout}'",
    )
    await desk.assert_nothing_signed(payout, reason="0 of 1")


async def test_a_signature_of_another_payout_with_the_same_fields_does_not_count(desk: Desk) -> None:
    destination = new_address()
    honest = await desk.approved("ada", destination=destination)
    (answer,) = await database.fetch_all("SELECT answer FROM approval_signatures WHERE withdrawal = $1", honest)
    again = await desk.request(destination=destination)
    await desk.forge(again, answer["answer"])
    await desk.assert_nothing_signed(again, reason="0 of 1")
    assert await desk.setup.sent_to(destination) in ([], [3_000_000])


async def test_a_paid_payout_that_is_set_back_is_not_paid_again(desk: Desk) -> None:
    destination = new_address()
    payout = await desk.approved("ada", destination=destination)
    await desk.setup.until_confirmed(payout)
    await desk.set_back(payout)
    desk.restart()
    await desk.setup.rounds(3, blocks=1)
    assert await desk.setup.sent_to(destination) == [3_000_000]
    assert any("has signed" in message for message in await desk.alerts_about(payout))


async def test_an_edited_threshold_does_not_lower_what_the_signer_asks_for(desk: Desk) -> None:
    payout = await desk.request("200.00")
    await as_superuser(f"UPDATE withdrawals SET approvals_required = 1 WHERE id = '{payout}'")
    await desk.forge(payout, await desk.signed_by("ada", payout))
    await desk.assert_nothing_signed(payout, reason="1 of 2")


async def test_a_cut_off_audit_log_changes_nothing(desk: Desk) -> None:
    payout = await desk.request()
    await desk.forge(payout, "{}")
    await as_superuser("DELETE FROM audit_entries")
    await desk.assert_nothing_signed(payout, reason="0 of 1")


@pytest.mark.parametrize("wrong", ["origin", "rp_id", "unverified", "challenge"])
async def test_an_answer_that_was_made_elsewhere_does_not_count(desk: Desk, wrong: str) -> None:
    device, payout = desk.devices["ada"], await desk.request()
    if wrong == "origin":
        device.origin = "https://pay.example.evil"
    elif wrong == "rp_id":
        device.rp_id = "example.evil"
    elif wrong == "unverified":
        device.flags = 0x01
    if wrong == "challenge":
        answer = device.sign(request_options(desk.setup.services.passkeys.party, ids.random_bytes(32)))
    else:
        answer = await desk.signed_by("ada", payout)
    with pytest.raises(PasskeyRefused):  # the web process refuses it
        await desk.setup.services.approvals.approve_by_passkey(payout, desk.operators["ada"].id, answer, clock.now())
    await desk.forge(payout, answer)  # and so does the signer
    await desk.assert_nothing_signed(payout, reason="0 of 1")


# --- The signer's own host ------------------------------------------------------------------


async def test_a_signer_that_dies_before_the_database_knows_pays_once(desk: Desk) -> None:
    destination = new_address()
    payout = await desk.approved("ada", destination=destination)
    desk.restart(KilledAt("signing"))  # the journal has it, the database does not
    with pytest.raises(Killed):
        await desk.setup.rounds(1)
    assert await desk.setup.transactions(payout) == []
    desk.restart()
    await desk.setup.until_confirmed(payout)
    assert await desk.setup.sent_to(destination) == [3_000_000]
    await desk.setup.check()


async def test_a_journal_whose_last_line_is_cut_off_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    Journal(path).write("0x1", [b"one"], ["nonce:a:1"])
    with path.open("ab") as file:
        file.write(b'{"txid": "0x2", "dig')
    journal = Journal(path)
    assert [entry.txid for entry in journal.living([b"one"])] == ["0x1"]
    journal.write("0x3", [b"two"], ["nonce:a:2"])
    assert [entry.txid for entry in Journal(path).living([b"two"])] == ["0x3"]


async def test_without_its_journal_the_signer_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="can't be read"):
        Journal(tmp_path / "journal")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "public_url"),
        ('public_url = "https://a"\napprovers = []\nrules = []', "no \\[\\[rules"),
        ('public_url = "https://a"\napprovers = []\n[[rules]]\napprovals = 1', "1 approvals, and 0 people"),
        ('public_url = "https://a"\napprovers = []\n[[rules]]\napprovals = 0', "approvals"),
        ('public_url = "https://a"\napprovers = []\n[[rules]]\nbelow = 3\napprovals = 1', "below"),
        ("nonsense", "approvers file"),
    ],
)
def test_a_file_that_is_not_sound_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "file").write_text(text)
    with pytest.raises(ApproversFileError, match=says):
        approvers.read(tmp_path / "file")
