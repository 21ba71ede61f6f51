"""Receiving addresses of accounts from an extended public key, which can't spend.

BIP-44 gives an account m/44'/coin'/0' and puts receiving addresses at /0/i below it. Both steps are public
derivation (BIP-32), so the web process needs only the account's xpub. What is derived is a public key; each kind of
chain writes it as an address of its own.
"""

import hmac
from collections.abc import Callable
from copy import copy

from embit import base58
from embit.bip32 import HDKey
from embit.util import secp256k1

EXTERNAL_CHAIN = 0  # BIP-44: 0 is the chain of receiving addresses, 1 that of change
ACCOUNT_DEPTH = 3  # m / purpose' / coin' / account'
XPUB = bytes.fromhex("0488b21e")  # BIP-32: the version of public keys
MAX_INDEX = 2**31 - 1  # from 2^31 on, BIP-32 indexes are hardened and need the private key


class ReceivingAddresses:
    """The addresses /0/i below an account's extended public key.

    The chain's node is derived once; an address then takes about 0.1 ms, with nothing cached. A third of embit's own
    `HDKey.child` is the text of the child's extended key, which nobody reads: so its step is made here, with its curve.
    """

    def __init__(self, xpub: str, account_path: str, encode: Callable[[bytes], str]) -> None:
        """`account_path` is where the account is, for people; `encode` writes a public key, 65 bytes, as an
        address. Raises ValueError, without the key in it, where `xpub` isn't an account's extended public key."""
        if xpub.strip().startswith(("xprv", "tprv", "yprv", "zprv")):
            raise ValueError("is an extended PRIVATE key; give the public one, and treat this one as leaked")
        try:
            account = HDKey.parse(base58.decode_check(xpub))
        except Exception:  # embit raises many kinds
            raise ValueError("is not an extended public key (xpub…)") from None
        if account.version != XPUB or account.is_private:
            raise ValueError("is not an extended public key (xpub…)")
        if account.depth != ACCOUNT_DEPTH:
            raise ValueError(f"is of depth {account.depth}; an account's key, {account_path}, has depth 3")
        chain = account.child(EXTERNAL_CHAIN)
        self._chain_code, self._parent, self._point = chain.chain_code, chain.sec(), chain.key._point
        self._encode = encode

    def at(self, index: int) -> str:
        """Address number `index`. Raises ValueError outside of 0 to 2^31 - 1, and for one of 2^127 that has no key."""
        if not 0 <= index <= MAX_INDEX:
            raise ValueError(f"an address index is from 0 to {MAX_INDEX}")
        # BIP-32, "public parent key to public child key": the left half of the digest, as a point, is added.
        digest = hmac.digest(self._chain_code, self._parent + index.to_bytes(4, "big"), "sha512")
        child = secp256k1.ec_pubkey_add(copy(self._point), digest[:32])
        return self._encode(secp256k1.ec_pubkey_serialize(child, secp256k1.EC_UNCOMPRESSED))
