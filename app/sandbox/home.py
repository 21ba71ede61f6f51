"""The files of a sandbox, and `sandbox.json`, the interface for users' scripts (docs/sandbox.md)."""

import base64
import fcntl
import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec
from bip_utils.bip.bip39.bip39_mnemonic import Bip39WordsNum
from bip_utils.bip.bip39.bip39_mnemonic_generator import Bip39MnemonicGenerator

from app.core import resources

ROOT = resources.CHECKOUT or Path.cwd()
"""Where `var` and npm's `node_modules` are: the checkout or, without one, the working directory."""

NO_NODE_URL = "http://127.0.0.1:1"
"""The URL of a node that is not running: nothing listens on this port."""

VAR_VARIABLE = "SWAP_PAY_VAR"
T = TypeVar("T")


class Login(msgspec.Struct, frozen=True):
    """The sign-in data of a demo account."""

    email: str
    password: str
    totp_secret: str


class WebhookReceiver(msgspec.Struct, frozen=True, kw_only=True):
    """The server that receives webhooks. `secret` is the secret of the demo merchant's endpoint."""

    url: str
    ca_file: str
    requests_url: str
    endpoint_id: str
    secret: str


class Asset(msgspec.Struct, frozen=True):
    """An asset on one of the sandbox's chains; a native coin has no contract."""

    contract: str | None
    decimals: int


class Ethereum(msgspec.Struct, frozen=True, kw_only=True):
    """The sandbox's EVM chain, and a customer's account on it that holds every asset."""

    rpc_url: str
    chain_id: int
    customer_private_key: str
    assets: dict[str, Asset]


class Bitcoin(msgspec.Struct, frozen=True, kw_only=True):
    """The sandbox's Bitcoin node. Its wallet is a customer's; `customer_descriptor` has that wallet's private key."""

    rpc_url: str
    rpc_user: str
    rpc_password: str
    customer_descriptor: str
    assets: dict[str, Asset]


class Tron(msgspec.Struct, frozen=True, kw_only=True):
    """The sandbox's double of a Tron node, and the key, in hex, of a customer's account that holds every asset."""

    api_url: str
    customer_private_key: str
    assets: dict[str, Asset]


class Networks(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sandbox's chains; None: it runs without that one."""

    ethereum: Ethereum | None = None
    bitcoin: Bitcoin | None = None
    tron: Tron | None = None


class ShopInterface(msgspec.Struct, frozen=True, kw_only=True):
    """An example shop that runs beside the gateway: its pages, and the endpoint of its webhooks."""

    name: str
    url: str
    webhook_url: str
    endpoint_id: str


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `sandbox.json`. Users' scripts read it: fields are added, never changed or removed."""

    base_url: str
    api_key: str
    merchant_id: str
    merchant_login: Login
    operator_login: Login
    webhook_receiver: WebhookReceiver
    networks: Networks
    database_url: str
    redis_url: str
    metrics_token: str
    shops: tuple[ShopInterface, ...] = ()


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """The random secrets of a sandbox. `wallet_mnemonic` is the gateway's wallet: the signer gets it in a keystore;
    web and the other workers get its xpub."""

    api_key_pepper: str
    data_key: str
    link_secret: str
    email_hash_secret: str
    checkpoint_key: str
    metrics_token: str
    wallet_mnemonic: str


class ChainSetUp(msgspec.Struct, frozen=True):
    """The contracts that were deployed on the EVM chain at the first start. `price_feeds` are by pair: `BTC/USD`."""

    usdt_contract: str
    price_feeds: dict[str, str] = {}


class TronSetUp(msgspec.Struct, frozen=True):
    """The contract that was deployed on the Tron chain at the first start."""

    usdt_contract: str


class ShopEndpoint(msgspec.Struct, frozen=True):
    """The webhook endpoint of an example shop."""

    endpoint_id: str
    secret: str


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """The demo data that was created at the first start, with the secrets that can't be read back."""

    api_key: str
    merchant_id: str
    merchant_login: Login
    operator_login: Login
    endpoint_id: str
    webhook_secret: str
    shops: dict[str, ShopEndpoint] = {}


class Home:
    """The directory of one sandbox, `var` in ROOT unless SWAP_PAY_VAR names another."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = (directory or Path(os.environ.get(VAR_VARIABLE) or ROOT / "var")).resolve()
        self.postgres = self.directory / "postgres"
        self.valkey = self.directory / "valkey"
        self.anvil = self.directory / "anvil"
        self.bitcoin = self.directory / "bitcoin"
        self.tron = self.directory / "tron"
        self.receiver = self.directory / "receiver"
        self.rates = self.directory / "rates"
        self.tls = self.directory / "tls"
        self.signer = self.directory / "signer"
        self.shops = self.directory / "shops"
        self.logs = self.directory / "log"
        self.mail = self.directory / "mail"
        self.networks_file = self.directory / "networks.toml"
        self.environment_file = self.directory / "sandbox.env"
        self.interface_file = self.directory / "sandbox.json"
        self.secrets_file = self.directory / "secrets.json"
        self.chain_file = self.directory / "chain.json"
        self.tron_file = self.directory / "tron.json"
        self.demo_file = self.directory / "demo.json"
        self.lock_file = self.directory / "sandbox.lock"

    def read(self, path: Path, kind: type[T]) -> T | None:
        """The content of a file of this home; None if it is missing or damaged."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def write(self, path: Path, content: msgspec.Struct) -> None:
        """Write a file atomically, readable by its owner only."""
        self.write_text(path, msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file atomically, readable by its owner only."""
        partial = path.with_name(f"{path.name}.new")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        partial.replace(path)

    def lock(self) -> int | None:
        """Lock this sandbox for this process. None if a running process holds it; see `owner`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock

    def owner(self) -> str:
        """The id of the process that holds the lock."""
        return self.lock_file.read_text() or "?"


def new_secrets() -> Secrets:
    """New random secrets, each of 256 bits."""
    return Secrets(
        api_key_pepper=_random_key(),
        data_key=_random_key(),
        link_secret=_random_key(),
        email_hash_secret=_random_key(),
        checkpoint_key=_random_key(),
        metrics_token=secrets.token_urlsafe(32),
        wallet_mnemonic=str(Bip39MnemonicGenerator().FromWordsNumber(Bip39WordsNum.WORDS_NUM_24)),
    )


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
