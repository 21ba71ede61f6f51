"""A spend of our accounts that the signer did not store is a critical alert within a block, also on an idle wallet."""

import json
from collections.abc import Mapping

import pytest

from app.core import database
from app.signer import account_spends
from tests.signer.signer_under_test import NETWORK, SignerUnderTest, new_address


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 86_400}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": 1_000_000}, "ETH": {"sweep_min_raw": 10**15}}


async def spend_as_stranger(setup: SignerUnderTest, address: str) -> str:
    """Somebody else has the key of an address of ours. Returns the txid."""
    await setup.driver.call("anvil_impersonateAccount", address)
    if await setup.driver.balance_of(address) < 10**16:
        await setup.driver.set_balance(address, 10**17)
    receipt = await setup.driver.transfer_native(new_address(), 1, sender=address)
    await setup.driver.call("anvil_stopImpersonatingAccount", address)
    return str(receipt["transactionHash"])


async def unknown_spends() -> list[tuple[str, str, int]]:
    """The alerts: address, txid and how often each was raised."""
    rows = await database.fetch_all(
        "SELECT details, occurrences FROM alerts WHERE kind = 'unknown_spend' AND severity = 'critical' ORDER BY id"
    )
    details = [(json.loads(row["details"]), row["occurrences"]) for row in rows]
    return [(one["address"], one["txid"], occurrences) for one, occurrences in details]


async def test_of_an_idle_hot_wallet(setup: SignerUnderTest) -> None:
    setup.signer._swept_at = None
    await setup.rounds(3, blocks=1)
    assert await unknown_spends() == []
    txid = await spend_as_stranger(setup, setup.hot)
    await setup.signer.tick()
    assert await unknown_spends() == [(setup.hot, txid, 1)]
    await setup.rounds(3, blocks=1)
    assert await unknown_spends() == [(setup.hot, txid, 1)]
    second = await spend_as_stranger(setup, setup.hot)
    await setup.signer.tick()
    assert await unknown_spends() == [(setup.hot, txid, 1), (setup.hot, second, 1)]


async def test_of_a_deposit_address_that_was_swept(setup: SignerUnderTest) -> None:
    for _ in range(12):
        setup.signer._swept_at = None
        await setup.rounds(blocks=1)
    swept = {row["from_address"] for row in await setup.transactions(purpose="sweep")}
    assert len(swept) == 2
    assert await unknown_spends() == []  # our own are stored before they are sent
    address = swept.pop()
    txid = await spend_as_stranger(setup, address)
    await setup.signer.tick()
    assert await unknown_spends() == [(address, txid, 1)]


async def test_of_a_deposit_address_that_never_sent_anything_when_it_is_swept(setup: SignerUnderTest) -> None:
    paid = await setup.receive_payment("ETH", "0.50")
    await setup.confirm_blocks()
    txid = await spend_as_stranger(setup, paid.pay_in.address)
    await setup.driver.mine(3)
    setup.signer._swept_at = None
    await setup.signer.tick()
    assert await unknown_spends() == [(paid.pay_in.address, txid, 1)]


async def test_addresses_take_turns_where_there_are_many(
    setup: SignerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_spends, "ADDRESSES_AT_ONCE", 3)
    addresses = [new_address() for _ in range(8)]
    for address in addresses:
        await database.execute(
            "INSERT INTO wallet_nonces (network, address, next_nonce) VALUES ($1, $2, 0)", NETWORK, address
        )
    await setup.signer.tick()
    await setup.signer.tick()  # no new block, no look
    assert setup.signer._funds._spends._after_id > 0  # type: ignore[attr-defined]
    spent = {address: await spend_as_stranger(setup, address) for address in (addresses[0], addresses[7])}
    for _ in range(3):
        await setup.driver.mine(1)
        await setup.signer.tick()
    assert {address: txid for address, txid, _ in await unknown_spends()} == spent
