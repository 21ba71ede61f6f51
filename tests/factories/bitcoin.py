"""Bitcoin networks for tests. The keys are of the mnemonic that BIP-84 and BIP-86 publish: worth nothing."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from embit import bip32, script
from embit.networks import NETWORKS
from embit.script import Script
from embit.transaction import Transaction, TransactionOutput

from app.networks.bitcoin.config import AmountStep, BitcoinConfig
from app.networks.bitcoin.parameters import AddressType
from app.networks.config import Asset, NodeUrl
from app.sandbox.bitcoin_driver import BitcoinDriver

XPUB = "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V"
ZPUB = "zpub6rFR7y4Q2AijBEqTUquhVz398htDFrtymD9xYYfG1m4wAcvPhXNfE3EfH1r1ADqtfSdVCToUG868RvUUkgDKf31mGDtKsAYz2oz2AGutZYs"
"""The account m/84'/0'/0', without and with its purpose in the prefix."""

TAPROOT_XPUB = (
    "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ"
)
"""The account m/86'/0'/0'."""

TPUB = "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M"
VPUB = "vpub5Y6cjg78GGuNLsaPhmYsiw4gYX3HoQiRBiSwDaBXKUafCt9bNwWQiitDk5VZ5BVxYnQdwoTyXSs2JHRPAgjAvtbBrf8ZhDYe2jWAqvZVnsc"
TAPROOT_TPUB = (
    "tpubDDfvzhdVV4unsoKt5aE6dcsNsfeWbTgmLZPi8LQDYU2xixrYemMfWJ3BaVneH3u7DBQePdTwhpybaKRU95pi6PMUtLPBJLVQRpzEnjfjZzX"
)
"""The accounts m/84'/1'/0' and m/86'/1'/0'."""

NETWORK = "bitcoin:test"


@dataclass(frozen=True)
class Account:
    """An account m/84'/1'/0' that nobody else has: a test that uses it finds no coins of another one."""

    key: bip32.HDKey = field(
        default_factory=lambda: bip32.HDKey.from_seed(os.urandom(64), NETWORKS["test"]["xprv"]).derive("m/84h/1h/0h")
    )

    @property
    def tpub(self) -> str:
        """Its extended public key."""
        return str(self.key.to_public().to_base58())

    @property
    def hot_wallet(self) -> str:
        """The address for top-ups, in regtest."""
        return hot_wallet(self.tpub)

    def private_key(self, index: int, branch: int = 0) -> str:
        """The key of its address /branch/index, as the node's wallet imports it."""
        return str(self.key.derive([branch, index]).key.wif(NETWORKS["test"]))


def hot_wallet(xpub: str = TPUB, address_type: AddressType = "p2wpkh") -> str:
    """The address for top-ups of an account, in regtest: /1/0, derived by embit alone."""
    key = bip32.HDKey.from_base58(xpub).derive([1, 0])
    made = script.p2wpkh(key) if address_type == "p2wpkh" else script.p2tr(key)
    return str(made.address(NETWORKS["regtest"]))


async def nothing_mined(txids: Collection[str]) -> dict[str, str]:
    """`MinedIn` of an account that has sent nothing."""
    return {}


def bitcoin_network(
    urls: Sequence[str],
    *,
    confirmations: int = 3,
    steps: Sequence[tuple[int, int]] = (),
    address_type: AddressType = "p2wpkh",
    cookie_file: str | None = None,
) -> BitcoinConfig:
    """The network `bitcoin:test` at these nodes, in regtest."""
    return BitcoinConfig(
        chain="bitcoin",
        mode="test",
        display_name="Bitcoin",
        bitcoin_network="regtest",
        address_type=address_type,
        rpc_urls=tuple(NodeUrl(url) for url in urls),
        cookie_file=cookie_file,
        confirmations=confirmations,
        confirmations_by_amount=tuple(AmountStep(up_to_raw=raw, confirmations=count) for raw, count in steps),
        xpub=TPUB if address_type == "p2wpkh" else TAPROOT_TPUB,
        assets=(Asset(symbol="BTC", name="Bitcoin", kind="native", decimals=8),),
    ).checked()


def bitcoin_networks_toml(rpc_url: str, xpub: str = TPUB, **options: object) -> str:
    """A networks file: `bitcoin:test` at that node, in regtest; `options` are fields of it, as TOML has them."""
    fields: dict[str, object] = {"confirmations": 3, "expiry_grace_s": 0, "poll_interval_ms": 50, **options}
    settings = "\n".join(f"{name} = {value}" for name, value in fields.items())
    return f"""
        [[networks]]
        chain = "bitcoin"
        mode = "test"
        kind = "bitcoin"
        bitcoin_network = "regtest"
        display_name = "Bitcoin"
        rpc_urls = ["{rpc_url}"]
        xpub = "{xpub}"
        {settings}

        [[networks.assets]]
        symbol = "BTC"
        name = "Bitcoin"
        kind = "native"
        decimals = 8
        """


def write_networks_file(folder: Path, rpc_url: str, account: Account, **options: object) -> None:
    """Write `networks.toml` with `bitcoin:test` as its one network."""
    (folder / "networks.toml").write_text(bitcoin_networks_toml(rpc_url, account.tpub, **options))


def with_more_outputs(raw: str, *outputs: tuple[int, str]) -> str:
    """A transaction without signatures, with more outputs: amount in satoshi and script. The RPC takes no address
    twice, and no script."""
    transaction = Transaction.read_from(BytesIO(bytes.fromhex(raw)))
    transaction.vout = [
        *transaction.vout,
        *(TransactionOutput(amount_raw, Script(bytes.fromhex(script))) for amount_raw, script in outputs),
    ]
    return bytes(transaction.serialize()).hex()


async def mined_by_hand(bitcoin: BitcoinDriver, *outputs: tuple[int, str]) -> str:
    """Mine a transaction with these outputs, even one that no pool takes. Returns its id."""
    coin = max(await bitcoin.call("listunspent", 1), key=lambda coin: coin["amount"])
    spent = [{"txid": coin["txid"], "vout": coin["vout"]}]
    rest = format(coin["amount"] - 2, "f")
    draft = await bitcoin.call("createrawtransaction", spent, [{await bitcoin.address(): rest}])
    signed = await bitcoin.call("signrawtransactionwithwallet", with_more_outputs(draft, *outputs))
    assert signed["complete"]
    await bitcoin.call("generateblock", await bitcoin.address(), [signed["hex"]])
    return str((await bitcoin.call("decoderawtransaction", signed["hex"]))["txid"])
