"""Signing by the Bitcoin Dev Kit."""

import bdkpython as bdk
from embit.bip32 import HDKey
from embit.networks import NETWORKS
from embit.psbt import PSBT

from app.networks.bitcoin.account import Account
from app.networks.bitcoin.account_key import FUNCTIONS
from app.networks.bitcoin.fees import WEIGHT_PER_VB, with_tolerance
from app.networks.bitcoin.with_bdk import BDK_NETWORKS
from app.networks.port import FeeAboveCeiling, NotATransfer

# Amounts are in the PSBT's witnesses, whole parents are not. `try_finalize` would complete an input that is not ours
# to a transaction that no node takes; `Psbt.finalize` checks what it completes.
_OPTIONS = bdk.SignOptions(
    trust_witness_utxo=True,
    assume_height=None,
    allow_all_sighashes=False,
    try_finalize=False,
    sign_with_tap_internal_key=True,
    allow_grinding=True,
)


def signed_psbt(psbt: PSBT, account: Account, private: HDKey, ceiling: int) -> bytes:
    """The signed transaction. `ceiling` is the highest rate, in satoshi per 1,000 vB.

    Raises NotATransfer where a signature can't be made, FeeAboveCeiling.
    """
    is_main = account.network == "main"
    key = private.to_base58(NETWORKS["main" if is_main else "test"]["xprv"])
    kind = bdk.NetworkKind.MAIN if is_main else bdk.NetworkKind.TEST
    receiving, change = (
        bdk.Descriptor(f"{FUNCTIONS[account.address_type]}({key}/{branch}/*)", kind) for branch in (0, 1)
    )
    wallet = bdk.Wallet(receiving, change, BDK_NETWORKS[account.network], bdk.Persister.new_in_memory(), 0)
    unsigned = bdk.Psbt(psbt.to_base64())
    try:
        wallet.sign(unsigned, _OPTIONS)
    except bdk.SignerError as error:
        raise NotATransfer(f"it can't be signed: {type(error).__name__}") from None
    done = unsigned.finalize()
    if not done.could_finalize:
        raise NotATransfer("it can't be signed: a signature is missing")
    limit = bdk.FeeRate.from_sat_per_kwu(with_tolerance(ceiling) // WEIGHT_PER_VB)
    try:
        transaction = done.psbt.extract_tx_with_fee_rate_limit(limit)
    except bdk.ExtractTxError.AbsurdFeeRate:
        raise FeeAboveCeiling("the fee rate is above the ceiling") from None
    return bytes(transaction.serialize())
