"""What a payment costs a customer: what the adapters say against real nodes, and how it is stored and gets too old."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from app.core import clock
from app.networks import customer_fees
from app.networks.bitcoin.chain import BitcoinChain
from app.networks.bitcoin.customer_fees import payment_vb
from app.networks.bitcoin.parameters import AddressType
from app.networks.evm.chain import EvmChain
from app.networks.port import CustomerFee
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.factories.bitcoin import bitcoin_network, nothing_mined
from tests.factories.networks import evm_network
from tests.fakes.bitcoin_proxy import bitcoin_proxy
from workers.chain import QUEUE

ETHER = 10**18
ETHEREUM = "ethereum:test"
P2WPKH_INPUT_VB = 68
"""41 bytes, and a quarter of 108 of witness (BIP-141)."""


async def test_on_evm_it_is_what_a_transfer_takes(chain: EvmChain, driver: AnvilDriver, token: str) -> None:
    await driver.mine(1)
    fees = {fee.asset_symbol: fee for fee in await chain.customer_fees()}
    to_new = await driver.transfer_token(token, chain.derive_address(2001), 5_000_000)
    coins = await driver.transfer_native(chain.derive_address(2002), ETHER)

    def cost_raw(receipt: dict[str, str]) -> int:
        return int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)

    assert {(fee.coin_symbol, fee.coin_decimals) for fee in fees.values()} == {("ETH", 18)}
    # A block that is less than half full lowers the base fee by up to an eighth (EIP-1559).
    assert cost_raw(coins) <= fees["ETH"].fee_raw <= cost_raw(coins) * 13 // 10
    assert cost_raw(to_new) <= fees["USDT"].fee_raw <= cost_raw(to_new) * 2
    assert fees["USDT"].fee_raw * 21 == fees["ETH"].fee_raw * 65


async def test_on_evm_nothing_is_said_where_the_coin_has_no_name(anvil_url: str, token: str) -> None:
    chain = EvmChain(evm_network([anvil_url], token, native=False))
    assert await chain.customer_fees() == []
    await chain.aclose()


@pytest.mark.parametrize("address_type", ["p2wpkh", "p2tr"])
async def test_on_bitcoin_it_is_what_the_node_estimates_for_a_usual_size(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver, address_type: AddressType
) -> None:
    config = bitcoin_network([bitcoind.rpc_url], address_type=address_type)
    paid = await bitcoin.call("getrawtransaction", await bitcoin.pay(config.receiving_address(0), 100_000), 1)
    inputs = len(paid["vin"])  # as many as the wallet's coins need
    assert len(paid["vout"]) == 2
    with_one_vb = paid["vsize"] - (inputs - 1) * P2WPKH_INPUT_VB
    assert payment_vb(config) - inputs <= with_one_vb <= payment_vb(config), "a signature may be a byte shorter"
    async with bitcoin_proxy(bitcoind.rpc_url) as proxy:
        chain = BitcoinChain(bitcoin_network([proxy.url], address_type=address_type), nothing_mined)
        proxy.estimate_sat_vb = 20
        (fee,) = await chain.customer_fees()
        assert fee == CustomerFee("BTC", 20 * payment_vb(config), "BTC", 8)
        proxy.estimate_sat_vb = 0
        (fee,) = await chain.customer_fees()
        assert 0 < fee.fee_raw <= payment_vb(config), "at least what the pool takes"
        proxy.estimate_sat_vb = None
        assert await chain.customer_fees() == []
        await chain.aclose()
        lenient = msgspec.structs.replace(bitcoin_network([proxy.url]), fallback_fee_rate_sat_vb=7)
        chain = BitcoinChain(lenient, nothing_mined)
        assert (await chain.customer_fees())[0].fee_raw == 7 * payment_vb(lenient)
        await chain.aclose()


async def test_it_is_stored_kept_where_a_look_fails_and_not_shown_once_it_is_old(
    services: Services, driver: AnvilDriver
) -> None:
    now = clock.now()
    await services.customer_fee_watch().look()
    first = await customer_fees.current(now)
    assert {asset for _, asset in first} == {"USDT", "ETH"}
    assert first[ETHEREUM, "ETH"].coin == "ETH"

    await driver.call("anvil_setChainId", 4_711)  # so the node gives no answer that can be used
    try:
        customer_fees.forget()
        clock.shift(timedelta(minutes=14))
        await services.customer_fee_watch().look()
        assert await customer_fees.current(clock.now()) == first
    finally:
        await driver.call("anvil_setChainId", 31_337)
    clock.shift(timedelta(minutes=2))
    assert await customer_fees.current(clock.now()) == {}, "older than a quarter of an hour"
    customer_fees.forget()
    assert await customer_fees.current(clock.now()) == {}

    await driver.call("anvil_setNextBlockBaseFeePerGas", hex(90 * 10**9))
    await driver.mine(1)
    stop = asyncio.Event()
    *_, looking = QUEUE.loops(services)
    running = asyncio.ensure_future(looking(stop))
    async with asyncio.timeout(30):
        while not (found := await customer_fees.current(clock.now())):
            customer_fees.forget()
            await asyncio.sleep(0.02)
    stop.set()
    await running
    assert found[ETHEREUM, "ETH"].fee_raw >= 21_000 * 90 * 10**9 > first[ETHEREUM, "ETH"].fee_raw
