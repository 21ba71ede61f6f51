"""Operators with passkeys, the signer's own file of them, and somebody who owns the database."""

from pathlib import Path
from typing import Any

from app.alerts import repository as alerts
from app.core import clock, database, ids
from app.core.webauthn import request_options, to_text
from app.signer import approvers
from app.signer.crash_points import CrashPoints
from app.signer.journal import Journal
from app.signer.safeguards import Safeguards
from app.withdrawals import repository as withdrawals
from app.withdrawals.digest import digest
from tests.factories.operators import Operator, operator
from tests.factories.tampering import as_superuser
from tests.fakes.authenticator import Authenticator

AMOUNT = "3.00"


def approvers_toml(origin: str, *people: tuple[str, Authenticator], rules: str = "[[rules]]\napprovals = 1\n") -> str:
    return (
        f'public_url = "{origin}"\n\n'
        + "".join(
            f'[[approvers]]\nname = "{name}"\ncredential_id = "{to_text(device.credential_id)}"\n'
            f'public_key = "{to_text(device.public_key)}"\n\n'
            for name, device in people
        )
        + rules
    )


class Desk:
    """The gateway of the other tests of the signer, on any kind of network, whose signer has approvers of its own, and
    operators with a passkey each."""

    def __init__(self, setup: Any, folder: Path) -> None:
        self.setup = setup
        self.folder = folder
        self.origin = setup.services.passkeys.party.origin
        self.devices: dict[str, Authenticator] = {}
        self.operators: dict[str, Operator] = {}

    async def enrol(self, name: str) -> None:
        made = await operator(self.setup.services.settings.data_keys, f"{name}@example.test")
        self.operators[name], self.devices[name] = made, Authenticator(self.origin)
        await self.store(made, self.devices[name])

    async def store(self, owner: Operator, device: Authenticator) -> None:
        """Add a passkey to the database, as the web process does once a browser has made one."""
        await database.execute(
            "INSERT INTO passkeys (account, credential_id, public_key, sign_count, is_synced, name, created_at)"
            " VALUES ($1, $2, $3, 0, false, $4, $5)",
            owner.id,
            device.credential_id,
            device.public_key,
            ids.new_secret(8),
            clock.now(),
        )

    def use_file(self, *names: str, rules: str = "[[rules]]\napprovals = 1\n") -> None:
        """Give the signer a file with these people, and a new process."""
        file, journal = self.folder / "approvers.toml", self.folder / "journal"
        file.write_text(approvers_toml(self.origin, *((name, self.devices[name]) for name in names), rules=rules))
        journal.touch()
        self.restart()

    def restart(self, crash: CrashPoints | None = None) -> None:
        """A new process of the signer."""
        crash = crash or CrashPoints(is_production=False, env={})
        safeguards = Safeguards(approvers.read(self.folder / "approvers.toml"), Journal(self.folder / "journal"))
        (self.setup.signer,) = self.setup.services.signers(self.setup.keys, crash, safeguards)

    async def signed_by(self, name: str, withdrawal_id: str, *, device: Authenticator | None = None) -> str:
        """What a passkey signs of a withdrawal's digest."""
        row = await withdrawals.requested(withdrawal_id)
        assert row is not None
        return (device or self.devices[name]).sign(
            request_options(self.setup.services.passkeys.party, digest(row.intent))
        )

    async def approve(self, name: str, withdrawal_id: str) -> None:
        answer = await self.signed_by(name, withdrawal_id)
        await self.setup.services.approvals.approve_by_passkey(
            withdrawal_id, self.operators[name].id, answer, clock.now()
        )

    async def request(self, amount: str = AMOUNT, destination: str | None = None) -> str:
        """Request a payout. Returns its id."""
        return str((await self.setup.request_payout(amount, destination=destination)).id)

    async def approved(self, *names: str, amount: str = AMOUNT, destination: str | None = None) -> str:
        requested = await self.request(amount, destination)
        for name in names:
            await self.approve(name, requested)
        return requested

    async def forge(self, withdrawal_id: str, answer: str, *, name: str = "ada") -> None:
        """Write an approval and a signature past every trigger, as somebody does who owns the database."""
        account = self.operators[name].id
        await as_superuser(
            f"DELETE FROM approval_signatures WHERE withdrawal = '{withdrawal_id}'",
            f"INSERT INTO approvals (withdrawal, account, digest, created_at) SELECT id, '{account}', digest, now()"
            f" FROM withdrawals WHERE id = '{withdrawal_id}' ON CONFLICT DO NOTHING",
            f"INSERT INTO approval_signatures (withdrawal, account, digest, passkey_name, answer, created_at)"
            f" SELECT id, '{account}', digest, 'x', '{answer}', now() FROM withdrawals WHERE id = '{withdrawal_id}'",
            f"UPDATE withdrawals SET status = 'approved', approved_at = now() WHERE id = '{withdrawal_id}'",
        )

    async def assert_nothing_signed(self, withdrawal_id: str, *, reason: str) -> None:
        """After two rounds of the signer: no transaction, and an alert that names the payment."""
        await self.setup.rounds(2)
        signed = await database.fetch_all("SELECT FROM outgoing_payments WHERE withdrawal = $1", withdrawal_id)
        assert not signed
        named = await self.alerts_about(withdrawal_id)
        assert any(reason in message for message in named), named

    async def set_back(self, withdrawal_id: str) -> None:
        """Make the database forget that a payout was signed and paid, and approve it again."""
        await as_superuser(
            f"DELETE FROM outgoing_claims WHERE transaction IN"
            f" (SELECT transaction FROM outgoing_payments WHERE withdrawal = '{withdrawal_id}')",
            f"UPDATE outgoing_payments SET withdrawal = NULL WHERE withdrawal = '{withdrawal_id}'",
            f"UPDATE withdrawals SET status = 'approved', submitted_at = NULL, settled_at = NULL"
            f" WHERE id = '{withdrawal_id}'",
        )

    async def alerts_about(self, withdrawal_id: str) -> list[str]:
        """The messages of open alerts that name a payout."""
        return [each.message for each in await alerts.open_alerts() if withdrawal_id in each.message]
