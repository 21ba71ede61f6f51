"""Operators at work, and a merchant with money."""

import os

import pytest
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1

from app.accounts import operators
from app.accounts.operators import Operator
from app.gateway import Gateway
from tests.factories import operators as staff
from tests.factories.merchants import terms
from tests.factories.networks import XPUB
from tests.factories.operators import Operator as Staff
from tests.factories.withdrawals import fund


@pytest.fixture
def chain_settings(chain_settings):  # type: ignore[no-untyped-def]
    """More than 50.00 USDT needs two operators. Deposit addresses are nobody's of the node, who all hold coins."""
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
async def ops(gateway: Gateway) -> Staff:
    """A member of staff with an authenticator."""
    return await staff.operator(gateway.settings.data_keys)


@pytest.fixture
async def by(ops: Staff) -> Operator:
    """The same, at the desk."""
    return await operators.on_duty(ops.id, address="192.0.2.7")


@pytest.fixture
async def merchant_id(gateway: Gateway) -> str:
    """A merchant with 100 USDT."""
    merchant = await terms(service_fee_bps=80)
    await fund(merchant.merchant_id, 100_000_000)
    return merchant.merchant_id
