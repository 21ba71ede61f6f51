"""Spending keys: a phrase of words (BIP-39), sealed in a file by a password, and the keys derived from it.

On EVM chains deposit addresses are m/44'/60'/0'/0/i, what the web process derives from the xpub of m/44'/60'/0'. The
hot wallet is m/44'/60'/1'/0/0, of an account of its own: it can never be a deposit address. On Tron it is the same with
195' in the place of 60'. On Bitcoin an account is m/84'/0'/k' (BIP-84) or m/86'/0'/k' (BIP-86), on its test networks
with 1' in the second place; everything that it receives is spent from there. Only the signer opens a keystore; nothing
of its content is printed, logged or stored elsewhere.
"""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated

import msgspec
from bip_utils.addr.eth_addr import EthAddrEncoder
from bip_utils.addr.trx_addr import TrxAddrEncoder
from bip_utils.base58.base58 import Base58Decoder, Base58Encoder
from bip_utils.bip.bip32.base.bip32_base import Bip32Base
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from bip_utils.bip.bip39.bip39_mnemonic import Bip39Languages, Bip39WordsNum
from bip_utils.bip.bip39.bip39_mnemonic_generator import Bip39MnemonicGenerator
from bip_utils.bip.bip39.bip39_mnemonic_validator import Bip39MnemonicValidator
from bip_utils.bip.bip39.bip39_seed_generator import Bip39SeedGenerator
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Meta

from app.core import ids
from app.networks.tron.addresses import ACCOUNT_PATH as TRON_ACCOUNT

DEPOSIT_ACCOUNT = "m/44'/60'/0'"
"""The account of deposit addresses on EVM chains."""

# Account keys of phrases that documents and development tools publish: anybody can spend what they receive.
PUBLISHED_XPUBS = frozenset(
    {
        # m/44'/60'/0' of test test test test test test test test test test test junk (anvil, hardhat)
        "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP",
        # m/44'/195'/0' of the same (Tron)
        "xpub6BuRy7ZmkGfP2RWhoor1kWB1w9DvrtmJbFBvnC1bQ4SB5NbCHTyQYCJSXZtxDbFyHTmC7wkU2he3nYYdpZ3Vf6qUAkXSnL6RPif4BDtDEKr",
        # m/84'/0'/0' and m/86'/0'/0' of the same
        "xpub6C4SXHaqSMPK8MGL7bWjvS8WQnhoadsaXv2mnBcjAv142P2TivoC7s7ukNRYxETJZGc3JNzDKHQAGH5N3oQhQgkpwk6WrMtJB4eG2fpRAsV",
        "xpub6Cdsy3kk2rQDNpnymb3Q1yVkUpanMBoNXsAufU1Nmy2K9i2E1XDSp3pfgCumPEJzSXxUEFXSvXQ3LxyywaZXnHYB6qJ7nBdtVvM6hauqfVS",
        # m/44'/60'/0' and m/44'/195'/0' of abandon abandon abandon … about
        "xpub6DCoCpSuQZB2jawqnGMEPS63ePKWkwWPH4TU45Q7LPXWuNd8TMtVxRrgjtEshuqpK3mdhaWHPFsBngh5GFZaM6si3yZdUsT8ddYM3PwnATt",
        "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd",
        # m/84'/0'/0' and m/86'/0'/0', m/84'/1'/0' and m/86'/1'/0' of abandon abandon abandon … about (BIP-84, BIP-86)
        "xpub6CatWdiZiodmUeTDp8LT5or8nmbKNcuyvz7WyksVFkKB4RHwCD3XyuvPEbvqAQY3rAPshWcMLoP2fMFMKHPJ4ZeZXYVUhLv1VMrjPC7PW6V",
        "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ",
        "tpubDC8msFGeGuwnKG9Upg7DM2b4DaRqg3CUZa5g8v2SRQ6K4NSkxUgd7HsL2XVWbVm39yBA4LAxysQAm397zwQSQoQgewGiYZqrA9DsP4zbQ1M",
        "tpubDDfvzhdVV4unsoKt5aE6dcsNsfeWbTgmLZPi8LQDYU2xixrYemMfWJ3BaVneH3u7DBQePdTwhpybaKRU95pi6PMUtLPBJLVQRpzEnjfjZzX",
    }
)

TESTNET_COIN = "1'"  # SLIP-44: the coin of all test networks
TEST_PRIVATE, TEST_PUBLIC = bytes.fromhex("04358394"), bytes.fromhex("043587cf")
"""The first bytes of extended keys of test networks, written tprv and tpub (BIP-32)."""

FORMAT = "swap-pay-keystore/1"
SCRYPT_N = 2**17  # 128 MB and about half a second a guess (OWASP's password storage advice for scrypt)
SCRYPT_R, SCRYPT_P = 8, 1
KEY_BYTES, SALT_BYTES, NONCE_BYTES = 32, 16, 12
MIN_PASSWORD_CHARACTERS = 12


class KeystoreError(ValueError):
    """A keystore or phrase that can't be used; the message holds nothing of either."""


class AccountKey:
    """The extended private key of one account (BIP-32), which can spend all that the account receives. Its `repr` shows
    nothing."""

    __slots__ = ("_node", "_root_fingerprint", "path")

    def __init__(self, master: Bip32Base, path: str) -> None:
        self.path = path
        self._node = master.DerivePath(path)
        self._root_fingerprint = bytes(master.FingerPrint().ToBytes())

    def __repr__(self) -> str:
        return f"AccountKey({self.path}, …)"

    def __reduce__(self) -> str:
        raise TypeError("spending keys are not to be pickled")

    @property
    def xpub(self) -> str:
        """The account's extended public key, for the networks file: tpub… for test networks, else xpub…"""
        return str(Base58Encoder.CheckEncode(self._of_network(str(self._node.PublicKey().ToExtended()), TEST_PUBLIC)))

    @property
    def origin(self) -> str:
        """Where a descriptor says that the account's key comes from (BIP-380), such as `[73c5da0a/84h/0h/0h]`."""
        return f"[{self._root_fingerprint.hex()}{self.path.removeprefix('m').replace(chr(39), 'h')}]"

    def private_key(self) -> bytes:
        """The account's extended private key, serialised."""
        return self._of_network(str(self._node.PrivateKey().ToExtended()), TEST_PRIVATE)

    def _of_network(self, extended: str, test_version: bytes) -> bytes:
        """A serialised extended key with the first bytes of the network that the path belongs to."""
        serialised = bytes(Base58Decoder.CheckDecode(extended))
        is_test = self.path.split("/")[2] == TESTNET_COIN
        return test_version + serialised[len(test_version) :] if is_test else serialised


class SpendingKeys:
    """The keys that can spend. Derives each when it is needed; its `repr` shows nothing."""

    __slots__ = ("_master",)

    def __init__(self, mnemonic: str) -> None:
        """Raise KeystoreError where the words are no BIP-39 phrase."""
        words = " ".join(mnemonic.split())
        if not Bip39MnemonicValidator(Bip39Languages.ENGLISH).IsValid(words):
            raise KeystoreError("is not a BIP-39 phrase of English words (a word is wrong, or their order)")
        self._master = Bip32Slip10Secp256k1.FromSeed(Bip39SeedGenerator(words, Bip39Languages.ENGLISH).Generate())

    def __repr__(self) -> str:
        return "SpendingKeys(…)"

    def __reduce__(self) -> str:
        raise TypeError("spending keys are not to be pickled")

    @property
    def xpub(self) -> str:
        """The extended public key of the deposit account on EVM chains, for the networks file."""
        return self.account(DEPOSIT_ACCOUNT).xpub

    @property
    def hot_wallet_address(self) -> str:
        """The hot wallet's address on EVM chains, for the networks file."""
        return str(EthAddrEncoder.EncodeKey(self._hot(DEPOSIT_ACCOUNT).PublicKey().KeyObject()))

    @property
    def tron_hot_wallet_address(self) -> str:
        """The hot wallet's address on Tron, for the networks file."""
        return str(TrxAddrEncoder.EncodeKey(self._hot(TRON_ACCOUNT).PublicKey().KeyObject()))

    def account(self, path: str) -> AccountKey:
        """The account at a path such as m/84'/0'/0' (purpose, coin, account). Raises ValueError for any other path."""
        if not _ACCOUNT_PATH.fullmatch(path):
            raise ValueError("an account's path is m, purpose, coin and account, each hardened: m/84'/0'/0'")
        return AccountKey(self._master, path)

    def hot_wallet_key(self, account_path: str = DEPOSIT_ACCOUNT) -> bytes:
        """The private key of the hot wallet of a chain whose deposit addresses are of this account."""
        return bytes(self._hot(account_path).PrivateKey().Raw().ToBytes())

    def deposit_key(self, index: int, account_path: str = DEPOSIT_ACCOUNT) -> bytes:
        """The private key of deposit address `index` of an account."""
        return bytes(self._master.DerivePath(f"{account_path}/0/{index}").PrivateKey().Raw().ToBytes())

    def _hot(self, account_path: str) -> Bip32Base:
        """The first address of the account after that of the deposit addresses: it can never be one of them."""
        if not _DEPOSIT_PATH.fullmatch(account_path):
            raise ValueError("deposit addresses are of the first account, m/44'/coin'/0'")
        return self._master.DerivePath(account_path.removesuffix("0'") + "1'/0/0")


_ACCOUNT_PATH = re.compile(r"m(?:/[0-9]{1,10}'){3}")
_DEPOSIT_PATH = re.compile(r"m/44'/[0-9]{1,10}'/0'")


def new_mnemonic() -> str:
    """24 new words: 256 bits."""
    return str(Bip39MnemonicGenerator(Bip39Languages.ENGLISH).FromWordsNumber(Bip39WordsNum.WORDS_NUM_24))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: the phrase under AES-256-GCM, the key by scrypt from the password. All bytes are base64."""

    format: str
    scrypt_n: Annotated[int, Meta(ge=2**12, le=2**22)]
    salt: str
    nonce: str
    ciphertext: str


def write(path: Path, mnemonic: str, password: str, *, scrypt_n: int = SCRYPT_N) -> None:
    """Encrypt a phrase into a new file that its owner alone may read. Raises KeystoreError, FileExistsError."""
    SpendingKeys(mnemonic)
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise KeystoreError(f"the password must have at least {MIN_PASSWORD_CHARACTERS} characters")
    salt, nonce = ids.random_bytes(SALT_BYTES), ids.random_bytes(NONCE_BYTES)
    sealed = AESGCM(_key(password, salt, scrypt_n)).encrypt(nonce, mnemonic.encode(), FORMAT.encode())
    file = _File(FORMAT, scrypt_n, *(base64.b64encode(part).decode() for part in (salt, nonce, sealed)))
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(file)) + b"\n")


def read(path: Path, password: str) -> SpendingKeys:
    """Open a keystore. Raises KeystoreError, also where the password is wrong."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        salt, nonce, sealed = (
            base64.b64decode(part, validate=True) for part in (file.salt, file.nonce, file.ciphertext)
        )
    except OSError as error:
        raise KeystoreError(f"can't be read: {error.strerror}") from None
    except (msgspec.MsgspecError, binascii.Error):
        raise KeystoreError("is not a keystore") from None
    if file.format != FORMAT or len(nonce) != NONCE_BYTES:
        raise KeystoreError(f"is not of the format {FORMAT}")
    try:
        mnemonic = AESGCM(_key(password, salt, file.scrypt_n)).decrypt(nonce, sealed, FORMAT.encode())
    except InvalidTag:
        raise KeystoreError("can't be opened: the password is wrong, or the file was changed") from None
    return SpendingKeys(mnemonic.decode())


def _key(password: str, salt: bytes, scrypt_n: int) -> bytes:
    return Scrypt(salt=salt, length=KEY_BYTES, n=scrypt_n, r=SCRYPT_R, p=SCRYPT_P).derive(password.encode())
