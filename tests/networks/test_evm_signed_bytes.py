"""Signed bytes of an EVM transaction are read strictly: whatever is not made in every part as ours is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account

from app.networks.evm.config import EvmConfig
from app.networks.evm.sending import EvmSender
from app.networks.port import NotATransfer
from tests.factories.networks import evm_network

KEY = b"\x01" * 32
TOKEN = "0x" + 40 * "1"
RECIPIENT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
ARGUMENTS = RECIPIENT[2:].lower().rjust(64, "0") + f"{12_000_000:064x}"


@pytest.fixture
def network() -> EvmConfig:
    return evm_network(["http://127.0.0.1:1"], TOKEN)


@pytest.fixture
def signed(network: EvmConfig) -> Callable[..., bytes]:
    """Makes signed bytes of a token transfer, with changes of its fields."""

    def make(**changes: Any) -> bytes:
        fields = {
            **{"type": 2, "chainId": network.chain_id, "nonce": 3, "to": TOKEN, "value": 0, "gas": 60_000},
            **{"maxFeePerGas": 10**9, "maxPriorityFeePerGas": 1, "data": "0xa9059cbb" + ARGUMENTS},
            **changes,
        }
        return bytes(Account.sign_transaction(fields, KEY).raw_transaction)

    return make


def test_a_transfer_is_read(network: EvmConfig, signed: Callable[..., bytes]) -> None:
    parsed = EvmSender(network).parse(signed())
    assert (parsed.payments[0].to_address, parsed.payments[0].amount_raw) == (RECIPIENT, 12_000_000)
    assert parsed.sender == Account.from_key(KEY).address


@pytest.mark.parametrize(
    "changes",
    [
        {"chainId": 1},
        {"value": 1},
        {"data": "0x095ea7b3" + ARGUMENTS},  # approve
        {"data": "0xa9059cbb" + ARGUMENTS + "00"},
        {"data": "0xa9059cbb" + ARGUMENTS[:-2]},
        {"data": "0xa9059cbb" + "f" + ARGUMENTS[1:]},  # padding that is not zero
        {"to": RECIPIENT},  # a call of another contract
        {"data": "0x"},  # coins to the token's contract
        {"accessList": [{"address": TOKEN, "storageKeys": []}]},
    ],
    ids=lambda changes: " ".join(f"{name} {value}"[:24] for name, value in changes.items()),
)
def test_anything_else_is_refused(network: EvmConfig, signed: Callable[..., bytes], changes: dict[str, Any]) -> None:
    with pytest.raises(NotATransfer):
        EvmSender(network).parse(signed(**changes))


def test_bytes_of_another_form_are_refused(network: EvmConfig, signed: Callable[..., bytes]) -> None:
    raw = signed()
    legacy = {"chainId": network.chain_id, "nonce": 3, "to": TOKEN, "value": 0, "gas": 60_000, "gasPrice": 1}
    older = bytes(Account.sign_transaction({**legacy, "data": "0xa9059cbb" + ARGUMENTS}, KEY).raw_transaction)
    for other in (b"", b"\x02", raw[:-1], raw + b"\x00", b"\x01" + raw[1:], older):
        with pytest.raises(NotATransfer):
            EvmSender(network).parse(other)
