"""What tells Bitcoin's networks apart: constants of Bitcoin Core (`kernel/chainparams.cpp`, chainparams)."""

from typing import Literal

import msgspec

BitcoinNetwork = Literal["main", "testnet", "testnet4", "signet", "regtest"]
AddressType = Literal["p2wpkh", "p2tr"]

NETWORK_NAMES: dict[BitcoinNetwork, str] = {
    "main": "mainnet",
    "testnet": "testnet",
    "testnet4": "testnet4",
    "signet": "signet",
    "regtest": "regtest",
}
"""What people call them."""

COIN_DECIMALS = 8
COIN_RAW = 10**COIN_DECIMALS
"""Satoshi in a bitcoin."""

COINBASE_MATURITY = 100
"""Confirmations that a block's reward needs before it can be spent (Bitcoin Core, `consensus.h`)."""


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """One network. `hrp` begins its bech32 addresses (BIP-173). `p2pkh` and `p2sh` are the versions of its base58
    addresses, `xpub` and `segwit_pub` those of extended public keys (BIP-32, SLIP-132)."""

    genesis_hash: str
    hrp: str
    p2pkh: int
    p2sh: int
    xpub: str
    segwit_pub: str


def _test(genesis_hash: str, hrp: str) -> Parameters:
    return Parameters(genesis_hash=genesis_hash, hrp=hrp, p2pkh=111, p2sh=196, xpub="tpub", segwit_pub="vpub")


PARAMETERS: dict[BitcoinNetwork, Parameters] = {
    "main": Parameters(
        genesis_hash="000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        hrp="bc",
        p2pkh=0,
        p2sh=5,
        xpub="xpub",
        segwit_pub="zpub",
    ),
    "testnet": _test("000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943", "tb"),
    "testnet4": _test("00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043", "tb"),
    "signet": _test("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6", "tb"),
    "regtest": _test("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", "bcrt"),
}
