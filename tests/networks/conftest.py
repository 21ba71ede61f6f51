"""A network configured on the run's EVM node."""

from collections.abc import AsyncIterator

import pytest

from app.networks.evm.chain import EvmChain
from app.sandbox.anvil import Anvil
from tests.factories.networks import evm_network


@pytest.fixture
def anvil_url(anvil: Anvil) -> str:
    """Where the node listens."""
    return anvil.rpc_url


@pytest.fixture
async def chain(anvil_url: str, token: str) -> AsyncIterator[EvmChain]:
    """The network with its coin and the token."""
    chain = EvmChain(evm_network([anvil_url], token))
    yield chain
    await chain.aclose()
