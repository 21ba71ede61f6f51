"""The signer's own approvers and journal on the other kinds of network: coins, and transactions of limited time."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.core import clock, database
from app.core.money import parse_amount
from tests.factories.tampering import as_superuser
from tests.factories.tron import somebody
from tests.signer.approving import Desk
from tests.signer.bitcoin_under_test import BitcoinUnderTest
from tests.signer.tron_under_test import SOLID, TronUnderTest


class TronDesk(Desk):
    async def request(self, amount: str = "3.00", destination: str | None = None) -> str:
        return str((await self.setup.requested(parse_amount(amount, 6), destination=destination)).id)

    async def rounds(self) -> None:
        """A round of the signer, and what it sent is final."""
        await self.setup.signer.tick()
        await self.setup.blocks(SOLID)


class BitcoinDesk(Desk):
    async def request(self, amount: str = "0.003", destination: str | None = None) -> str:
        return str((await self.setup.request_payout(amount, destination=destination)).id)

    async def approved(self, *names: str, amount: str = "0.003", destination: str | None = None) -> str:
        payout = await super().approved(*names, amount=amount, destination=destination)
        clock.shift(timedelta(seconds=31))  # the window for a batch has passed
        return payout

    async def rounds(self) -> None:
        """A round of the signer, and a block."""
        await self.setup.rounds(blocks=1)


async def status(payout: str) -> str:
    return str(await database.fetch_value("SELECT status FROM withdrawals WHERE id = $1", payout))


async def until_confirmed(desk: TronDesk | BitcoinDesk, payout: str) -> None:
    for _ in range(12):
        if await status(payout) == "confirmed":
            return
        await desk.rounds()
    raise AssertionError(await status(payout))


@pytest.fixture
async def tron_desk(tron_setup: TronUnderTest, tmp_path: Path) -> TronDesk:
    desk = TronDesk(tron_setup, tmp_path)
    await desk.enrol("ada")
    desk.use_file("ada")
    return desk


@pytest.fixture
async def bitcoin_desk(bitcoin_setup: BitcoinUnderTest, tmp_path: Path) -> BitcoinDesk:
    desk = BitcoinDesk(bitcoin_setup, tmp_path)
    await desk.enrol("ada")
    desk.use_file("ada")
    return desk


async def test_on_tron_what_is_edited_is_not_paid_and_what_was_paid_is_not_paid_again(tron_desk: TronDesk) -> None:
    honest, edited = await tron_desk.approved("ada"), await tron_desk.approved("ada")
    await as_superuser(f"UPDATE withdrawals SET destination = '{somebody(77)}' WHERE id = '{edited}'")
    await until_confirmed(tron_desk, honest)
    assert await status(edited) == "approved"
    assert await tron_desk.alerts_about(edited)
    await tron_desk.set_back(honest)
    tron_desk.restart()
    for _ in range(3):
        await tron_desk.rounds()
    assert await status(honest) == "approved"
    assert any("has signed" in message for message in await tron_desk.alerts_about(honest))


async def test_on_tron_another_attempt_is_signed_once_the_first_can_be_in_no_block(tron_desk: TronDesk) -> None:
    payout = await tron_desk.approved("ada")
    await tron_desk.setup.signer.tick()
    await tron_desk.setup.expire()
    await until_confirmed(tron_desk, payout)
    signed = await database.fetch_value("SELECT count(*) FROM outgoing_payments WHERE withdrawal = $1", payout)
    assert signed == 2
    await tron_desk.setup.check()


async def test_on_bitcoin_what_is_edited_is_not_paid_and_what_was_paid_is_not_paid_again(
    bitcoin_desk: BitcoinDesk,
) -> None:
    honest, edited = await bitcoin_desk.approved("ada"), await bitcoin_desk.approved("ada")
    await as_superuser(
        f"UPDATE withdrawals SET destination = '{await bitcoin_desk.setup.node.address()}' WHERE id = '{edited}'"
    )
    await until_confirmed(bitcoin_desk, honest)
    assert await status(edited) == "approved"
    assert await bitcoin_desk.alerts_about(edited)
    await bitcoin_desk.set_back(honest)
    bitcoin_desk.restart()
    for _ in range(3):
        await bitcoin_desk.rounds()
    assert await status(honest) == "approved"
    assert any("has signed" in message for message in await bitcoin_desk.alerts_about(honest))
