"""The signer's own file of approvers: how many people must have signed, and the journal of what was signed. What an
attacker with the database can do: test_attacks.py."""

import json
from pathlib import Path

import pytest

from app.core import database
from app.core.webauthn import to_text
from app.signer import approvers
from app.signer.approvers import ApproversFileError
from app.signer.journal import Journal, JournalError
from app.withdrawals.approvals import ApprovalRefused
from tests.fakes.authenticator import Authenticator
from tests.signer.approving import Desk, approvers_toml
from tests.signer.crashing import Killed, KilledAt
from tests.signer.signer_under_test import SignerUnderTest, new_address


@pytest.fixture
async def desk(setup: SignerUnderTest, tmp_path: Path) -> Desk:
    return await Desk.open(setup, tmp_path)


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
    payout = await desk.setup.approved(desk.amount)
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
    await desk.rounds()
    assert await desk.wrong_with(large, "1 of 2") is None
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
    await desk.sign_in_name_of("ben", payout, answer)
    await desk.rounds()
    assert await desk.wrong_with(payout, "1 of 2") is None


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
