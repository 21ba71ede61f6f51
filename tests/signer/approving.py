"""Operators with passkeys, the signer's own file of them, and somebody who owns the database, on any network."""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
from msgspec.structs import replace

from app.alerts import repository as alerts
from app.core import clock, database, ids
from app.core.money import parse_amount
from app.core.webauthn import request_options, to_text
from app.refunds.service import NewRefund
from app.signer import approvers
from app.signer.crash_points import CrashPoints
from app.signer.journal import Journal
from app.signer.safeguards import Safeguards
from app.signer.start import signers_of
from app.withdrawals import repository as withdrawals
from app.withdrawals.digest import Intent, digest
from app.withdrawals.presentation import RefundBody
from tests.factories.operators import Operator, operator
from tests.factories.tampering import as_superuser
from tests.factories.tron import somebody
from tests.fakes.authenticator import Authenticator
from tests.signer.signer_under_test import new_address
from tests.signer.tron_under_test import SOLID

ONE = "[[rules]]\napprovals = 1\n"
"""One person for every payment."""


def approvers_toml(origin: str, *people: tuple[str, Authenticator], rules: str = ONE) -> str:
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
    """The gateway of the other tests of the signer, on an EVM network, whose signer has approvers of its own, and
    operators with a passkey each."""

    network = "ethereum:test"
    asset = "USDT"
    amount = "3.00"
    large = "11.00"
    """An amount for which two must sign, by `two_above`."""
    two_above = "10"
    other_assets: ClassVar[tuple[str, ...]] = ("ETH",)

    def __init__(self, setup: Any, folder: Path) -> None:
        self.setup = setup
        self.folder = folder
        self.origin = setup.services.passkeys.party.origin
        self.devices: dict[str, Authenticator] = {}
        self.operators: dict[str, Operator] = {}

    @classmethod
    async def open(cls, setup: Any, folder: Path) -> Self:
        """Ada and Ben approve by passkey; the signer asks for one of them, for both above an amount."""
        desk = cls(setup, folder)
        await desk.enrol("ada")
        await desk.enrol("ben")
        desk.use_file("ada", "ben", rules=desk.rules)
        return desk

    @property
    def rules(self) -> str:
        return f'{ONE}\n[[rules]]\napprovals = 2\nasset = "{self.asset}"\nabove = "{self.two_above}"\n'

    # What differs from network to network

    async def stranger(self) -> str:
        """An address that is nobody's here."""
        return new_address()

    async def requested_payout(self, amount: str, destination: str) -> str:
        """The id of a new payout."""
        return str((await self.setup.request_payout(amount, destination=destination)).id)

    async def rounds(self, count: int = 1) -> None:
        """Rounds of the signer, each with a block."""
        await self.setup.rounds(count, blocks=1)

    async def arrived_raw(self, destination: str) -> int:
        """What an address has received in blocks, in minor units."""
        return sum(await self.setup.sent_to(destination))

    # Operators and their file

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

    def use_file(self, *names: str, rules: str = ONE) -> None:
        """Give the signer a file with these people, and a new process."""
        file, journal = self.folder / "approvers.toml", self.folder / "journal"
        file.write_text(approvers_toml(self.origin, *((name, self.devices[name]) for name in names), rules=rules))
        journal.touch()
        self.restart()

    def restart(self, crash: CrashPoints | None = None) -> None:
        """A new process of the signer."""
        crash = crash or CrashPoints(is_production=False, env={})
        safeguards = Safeguards(approvers.read(self.folder / "approvers.toml"), Journal(self.folder / "journal"))
        (self.setup.signer,) = signers_of(
            self.setup.services.networks, self.setup.services.withdrawals, self.setup.keys, crash, safeguards
        )

    # Payouts and refunds

    async def request(self, kind: str = "payout", amount: str | None = None, destination: str | None = None) -> str:
        """Request a payout or a refund, to a new address unless one is given. Returns its id."""
        amount, destination = amount or self.amount, destination or await self.stranger()
        if kind == "payout":
            return await self.requested_payout(amount, destination)
        invoice_id = await database.fetch_value(
            "SELECT id FROM invoices WHERE asset = $1 AND credited_raw > 0 LIMIT 1", self.asset
        )
        new = NewRefund(amount=amount, refund_address=destination, requested_by="api_key:k")
        terms, refunds = self.setup.terms, self.setup.services.refunds
        body = await refunds.create(terms.merchant_id, "test", invoice_id, new, None, clock.now())
        return msgspec.json.decode(body, type=RefundBody).id

    async def intent_of(self, withdrawal_id: str) -> Intent:
        row = await withdrawals.requested(withdrawal_id)
        assert row is not None
        return row.intent

    async def signed_by(
        self, name: str, withdrawal_id: str, *, device: Authenticator | None = None, **other: Any
    ) -> str:
        """What a passkey signs of a withdrawal's digest, or of another payment that has `other` fields."""
        challenge = digest(replace(await self.intent_of(withdrawal_id), **other))
        return (device or self.devices[name]).sign(request_options(self.setup.services.passkeys.party, challenge))

    async def approve(self, name: str, withdrawal_id: str) -> None:
        answer = await self.signed_by(name, withdrawal_id)
        await self.setup.services.approvals.approve_by_passkey(
            withdrawal_id, self.operators[name].id, answer, clock.now()
        )

    async def approved(
        self, *names: str, kind: str = "payout", amount: str | None = None, destination: str | None = None
    ) -> str:
        requested = await self.request(kind, amount, destination)
        for name in names:
            await self.approve(name, requested)
        return requested

    async def status(self, withdrawal_id: str) -> str:
        return str(await database.fetch_value("SELECT status FROM withdrawals WHERE id = $1", withdrawal_id))

    async def until_confirmed(self, *ids_of: str) -> None:
        for _ in range(20):
            states = {each: await self.status(each) for each in ids_of}
            if set(states.values()) == {"confirmed"}:
                return
            await self.rounds()
        raise AssertionError(f"not confirmed: {states}")

    async def transactions(self, withdrawal_id: str) -> int:
        """How many were signed for it."""
        return int(
            await database.fetch_value("SELECT count(*) FROM outgoing_payments WHERE withdrawal = $1", withdrawal_id)
        )

    # Somebody who owns the database

    async def change(self, withdrawal_id: str, change: str) -> None:
        """Edit a payment, and write the digest that fits everywhere."""
        await as_superuser(f"UPDATE withdrawals SET {change} WHERE id = '{withdrawal_id}'")
        fits = digest(await self.intent_of(withdrawal_id)).hex()
        await as_superuser(
            f"UPDATE withdrawals SET digest = '\\x{fits}' WHERE id = '{withdrawal_id}'",
            f"UPDATE approvals SET digest = '\\x{fits}' WHERE withdrawal = '{withdrawal_id}'",
            f"UPDATE approval_signatures SET digest = '\\x{fits}' WHERE withdrawal = '{withdrawal_id}'",
        )

    async def forge(self, withdrawal_id: str, answer: str, *, name: str = "ada") -> None:
        """Write an approval and a signature past every trigger, in the place of those that are there."""
        await as_superuser(f"DELETE FROM approval_signatures WHERE withdrawal = '{withdrawal_id}'")
        await self.sign_in_name_of(name, withdrawal_id, answer)

    async def sign_in_name_of(self, name: str, withdrawal_id: str, answer: str) -> None:
        """Add an approval and a signature beside those that are there."""
        account = self.operators[name].id
        await as_superuser(
            f"INSERT INTO approvals (withdrawal, account, digest, created_at) SELECT id, '{account}', digest, now()"
            f" FROM withdrawals WHERE id = '{withdrawal_id}' ON CONFLICT DO NOTHING",
            f"INSERT INTO approval_signatures (withdrawal, account, digest, passkey_name, answer, created_at)"
            f" SELECT id, '{account}', digest, 'x', '{answer}', now() FROM withdrawals WHERE id = '{withdrawal_id}'",
            f"UPDATE withdrawals SET status = 'approved', approved_at = now() WHERE id = '{withdrawal_id}'",
        )

    async def set_back(self, withdrawal_id: str) -> None:
        """Make the database forget that a payout was signed and paid, and approve it again."""
        await as_superuser(
            f"DELETE FROM outgoing_claims WHERE transaction IN"
            f" (SELECT transaction FROM outgoing_payments WHERE withdrawal = '{withdrawal_id}')",
            f"UPDATE outgoing_payments SET withdrawal = NULL WHERE withdrawal = '{withdrawal_id}'",
            f"UPDATE withdrawals SET status = 'approved', submitted_at = NULL, settled_at = NULL"
            f" WHERE id = '{withdrawal_id}'",
        )

    async def wrong_with(self, withdrawal_id: str, reason: str) -> str | None:
        """What is wrong where nothing may be signed and an alert must say why. After a round of the signer."""
        if await self.transactions(withdrawal_id):
            return "a transaction is signed"
        named = await self.alerts_about(withdrawal_id)
        return None if any(reason in message for message in named) else f"no alert says {reason!r}: {named}"

    async def alerts_of(self, kind: str) -> list[str]:
        """The messages of open alerts of a kind."""
        return [each.message for each in await alerts.open_alerts() if each.kind == kind]

    async def alerts_about(self, withdrawal_id: str) -> list[str]:
        """The messages of open alerts that name a payout."""
        return [each.message for each in await alerts.open_alerts() if withdrawal_id in each.message]


class BitcoinDesk(Desk):
    """The same on a network of coins, where one transaction pays many."""

    network = "bitcoin:test"
    asset = "BTC"
    amount = "0.003"
    large = "0.011"
    two_above = "0.01"
    other_assets = ()

    async def stranger(self) -> str:
        return str(await self.setup.node.address())

    async def requested_payout(self, amount: str, destination: str) -> str:
        return str((await self.setup.request_payout(amount, destination)).id)

    async def rounds(self, count: int = 1) -> None:
        clock.shift(timedelta(seconds=31))  # the window for a batch has passed
        await self.setup.rounds(count, blocks=1)

    async def arrived_raw(self, destination: str) -> int:
        return int(await self.setup.received_raw(destination))


class TronDesk(Desk):
    """The same on a network whose transactions end by themselves."""

    network = "tron:test"
    amount = "1.00"
    large = "3.00"
    two_above = "2"
    other_assets = ("TRX",)
    strangers = 1_000

    async def stranger(self) -> str:
        self.strangers += 1
        return somebody(self.strangers)

    async def requested_payout(self, amount: str, destination: str) -> str:
        return str((await self.setup.requested(parse_amount(amount, 6), destination=destination)).id)

    async def rounds(self, count: int = 1) -> None:
        for _ in range(count):
            await self.setup.signer.tick()
            await self.setup.blocks(SOLID)

    async def arrived_raw(self, destination: str) -> int:
        return int(await self.setup.arrived_raw(destination))
