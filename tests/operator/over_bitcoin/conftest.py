"""The desk of a deployment with one bitcoin network, on a real node."""

from collections.abc import Callable, Mapping

import pytest

from app.core.settings import Settings
from tests.signer.conftest import bitcoin_settings, btc_options, keys, mnemonic, proxy

__all__ = ["bitcoin_settings", "btc_options", "keys", "mnemonic", "proxy"]


@pytest.fixture
def bitcoin_options() -> Mapping[str, object]:
    """Small coins may be merged, once an operator has approved it."""
    return {"consolidate_above_coins": 100, "consolidate_max_fee_rate_sat_vb": 3}


@pytest.fixture
def chain_settings(bitcoin_settings: Settings) -> Callable[..., Settings]:
    """The desk's fixtures start with these."""
    return lambda: bitcoin_settings
