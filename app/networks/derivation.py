"""Receiving addresses of accounts from an extended public key, which can't spend.

BIP-44 gives an account m/44'/coin'/0' and puts receiving addresses at /0/i below it. Both steps are public
derivation (BIP-32), so the web process needs only the account's xpub. What is derived is a public key; each kind of
chain writes it as an address of its own.
"""

from collections.abc import Callable

from bip_utils.base58.base58_ex import Base58ChecksumError
from bip_utils.bip.bip32.bip32_ex import Bip32KeyError
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from bip_utils.ecc.common.ikeys import IPublicKey

EXTERNAL_CHAIN = 0  # BIP-44: 0 is the chain of receiving addresses, 1 that of change
ACCOUNT_DEPTH = 3  # m / purpose' / coin' / account'
MAX_INDEX = 2**31 - 1  # from 2^31 on, BIP-32 indexes are hardened and need the private key


class ReceivingAddresses:
    """The addresses /0/i below an account's extended public key.

    The chain's node is derived once; an address then takes about 0.15 ms, with nothing cached.
    """

    def __init__(self, xpub: str, account_path: str, encode: Callable[[IPublicKey], str]) -> None:
        """`account_path` is where the account is, for people; `encode` writes a public key as an address. Raise
        ValueError, without the key in it, where `xpub` isn't an account's extended public key."""
        if xpub.strip().startswith(("xprv", "tprv", "yprv", "zprv")):
            raise ValueError("is an extended PRIVATE key; give the public one, and treat this one as leaked")
        try:
            account = Bip32Slip10Secp256k1.FromExtendedKey(xpub)
        except (Bip32KeyError, Base58ChecksumError, ValueError):
            raise ValueError("is not an extended public key (xpub…)") from None
        if not account.IsPublicOnly():
            raise ValueError("is an extended PRIVATE key; give the public one, and treat this one as leaked")
        if int(account.Depth()) != ACCOUNT_DEPTH:
            raise ValueError(f"is of depth {int(account.Depth())}; an account's key, {account_path}, has depth 3")
        self._chain = account.ChildKey(EXTERNAL_CHAIN)
        self._encode = encode

    def at(self, index: int) -> str:
        """Address number `index`. Raises ValueError outside of 0 to 2^31 - 1."""
        if not 0 <= index <= MAX_INDEX:
            raise ValueError(f"an address index is from 0 to {MAX_INDEX}")
        return self._encode(self._chain.ChildKey(index).PublicKey().KeyObject())
