"""Operators at work, and a merchant with money."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import pytest
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1

from app.accounts import operators, sessions
from app.accounts.operators import Operator
from app.accounts.sessions_repository import Session
from app.asgi import create_app
from app.core import clock
from app.core.settings import Settings
from app.wiring import Services, wire
from tests.factories import operators as staff
from tests.factories.merchants import terms
from tests.factories.networks import XPUB
from tests.factories.operators import Operator as Staff
from tests.factories.withdrawals import fund
from tests.operator.served import Served
from tests.services import empty_redis


@pytest.fixture
def chain_settings(chain_settings):  # type: ignore[no-untyped-def]
    """Above 50.00 USDT two operators must approve. Deposit addresses are none of the node's rich accounts."""
    xpub = Bip32Slip10Secp256k1.FromSeed(os.urandom(32)).DerivePath("m/44'/60'/0'").PublicKey().ToExtended()

    def make(**options: object):  # type: ignore[no-untyped-def]
        settings = chain_settings(**options)
        text = settings.networks_file.read_text()
        settings.networks_file.write_text(
            text.replace("decimals = 6", "decimals = 6\napproval_threshold_raw = 50000000").replace(XPUB, xpub)
        )
        return settings

    return make


@pytest.fixture
async def ops(services: Services) -> Staff:
    """An operator with an authenticator."""
    return await staff.operator(services.settings.data_keys)


async def signed_in(account_id: str) -> Session:
    """A session of an account that has given its code."""
    _, token = await sessions.open_session(
        account_id, code_given=True, address="192.0.2.7", user_agent="a browser", now=clock.now()
    )
    session = await sessions.find(token, clock.now())
    assert session is not None
    return session


@pytest.fixture
async def by(ops: Staff) -> Operator:
    """The same operator, as the desk's services expect one."""
    return operators.operator_from_session(await signed_in(ops.id), address="192.0.2.7")


@pytest.fixture
async def merchant_id(services: Services) -> str:
    """A merchant with 100 USDT."""
    merchant = await terms(service_fee_bps=80)
    await fund(merchant.merchant_id, 100_000_000)
    return merchant.merchant_id


@pytest.fixture
async def served(chain_settings: Callable[..., Settings], steady_clock: None) -> AsyncIterator[Served]:
    """The whole app, running on a fresh database, an empty Valkey and the node's head."""
    settings = chain_settings()
    app, started, stop = create_app(settings), asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with app.lifespan():
            await empty_redis()
            started.set()
            await stop.wait()

    running = asyncio.create_task(run())
    await asyncio.wait({running, asyncio.create_task(started.wait())}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    world = Served(app, wire(settings))
    yield world
    await world.aclose()
    stop.set()
    await running
