"""Signing by embit alone: where bdkpython has no wheel."""

from embit.bip32 import HDKey
from embit.finalizer import finalize_psbt
from embit.psbt import PSBT

from app.networks.bitcoin.account import Account
from app.networks.port import NotATransfer


def signed_psbt(psbt: PSBT, account: Account, private: HDKey, ceiling: int) -> bytes:
    """The signed transaction. The caller has checked its fee. Raises NotATransfer where a signature can't be made."""
    try:
        count = psbt.sign_with(private)
        transaction = finalize_psbt(psbt) if count == len(psbt.inputs) else None
    except Exception as error:  # embit raises many kinds
        raise NotATransfer(f"it can't be signed: {type(error).__name__}") from None
    if transaction is None:
        raise NotATransfer("it can't be signed: a signature is missing")
    return bytes(transaction.serialize())
