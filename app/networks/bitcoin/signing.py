"""Sign a draft with the account's key, and read signed bytes again.

embit builds the transaction, as a PSBT (BIP-174). The Bitcoin Dev Kit signs and completes it where its wheel is
installed, else embit does. Both make the same transaction; its signatures differ in some cases, but each library makes
the same ones for the same input. `read` is embit's whichever has signed: it verifies every signature.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from types import ModuleType

from embit import ec, misc
from embit.bip32 import HDKey
from embit.psbt import PSBT, DerivationPath
from embit.script import Script, p2pkh_from_p2wpkh
from embit.transaction import SIGHASH, Transaction, TransactionInput, TransactionOutput

from app.networks.bitcoin import signing_with_embit
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import INTERNAL_BRANCH, Coin, claim
from app.networks.bitcoin.fees import rate_of, vsize_vb
from app.networks.bitcoin.parameters import PARAMETERS
from app.networks.bitcoin.spending import (
    LOCK_TIME,
    SEQUENCE,
    VERSION,
    Form,
    check_fee,
    form_of,
    outputs_of,
)
from app.networks.port import NotATransfer
from app.networks.sending import Draft, Parsed, Payment, Signed

KEY_BYTES = 78
"""An extended key (BIP-32)."""

SIGNATURE_BYTES = 64  # BIP-340; a hash type would follow, were it not the default


@cache
def library() -> ModuleType:
    """Our module with the library that signs. Imported at the first signature: only the signer signs."""
    try:
        from app.networks.bitcoin import signing_with_bdk  # noqa: PLC0415 - 15 MB
    except ImportError:  # Linux on ARM, musl, or a newer Python than its wheels are for
        return signing_with_embit
    return signing_with_bdk


def check_library() -> None:
    """Raise RuntimeError where embit has not loaded libsecp256k1: it then signs in Python, slowly and not in constant
    time, and says nothing."""
    module = misc.secp256k1.ecdsa_sign.__module__
    if module != "embit.util.ctypes_secp256k1":
        raise RuntimeError(f"embit signs with {module}: its library libsecp256k1 does not load on this system")


def sign(account: Account, draft: Draft, key: bytes, ceiling: int) -> Signed:
    """The signed transaction of a draft: pure, the same bytes for the same input.

    `key` is the account's extended private key, serialised (BIP-32); `ceiling` is the highest rate, in satoshi per
    1,000 vB. Raises NotATransfer where a coin is not at the address of ours that it says, or the draft's parts don't
    agree; FeeAboveCeiling; ValueError where the key is not the account's.
    """
    form, outputs = form_of(draft), outputs_of(account, draft)
    private = _private(account, key)
    if draft.claims != tuple(sorted({coin.claim for coin in form.coins})) or len(draft.claims) != len(form.coins):
        raise NotATransfer("a draft that claims other coins than it spends")
    if not all(map(account.has, form.coins)):
        raise NotATransfer("a draft that spends a coin that is not at its address of ours")
    if sum(coin.amount_raw for coin in form.coins) - sum(raw for _, raw in outputs) != draft.fee_cap_raw:
        raise NotATransfer("a draft whose fee is not what its coins and payments leave")
    vsize = vsize_vb(account.address_type, len(form.coins), [script for script, _ in outputs])
    check_fee(draft.fee_cap_raw, vsize, ceiling)
    raw = library().signed_psbt(psbt(account, form.coins, outputs), account, private, ceiling)
    return Signed(Transaction.parse(raw).txid().hex(), raw)


def psbt(account: Account, coins: Sequence[Coin], outputs: Sequence[tuple[bytes, int]]) -> PSBT:
    """The unsigned transaction, with what a signer needs: amounts, scripts and derivations."""
    # embit's default arguments are lists and dicts that all its objects share: each is given here.
    inputs = [TransactionInput(bytes.fromhex(coin.txid), coin.vout, sequence=SEQUENCE) for coin in coins]
    paid = [TransactionOutput(amount_raw, Script(script)) for script, amount_raw in outputs]
    made = PSBT(Transaction(version=VERSION, vin=inputs, vout=paid, locktime=LOCK_TIME), unknown={})
    for scope, coin in zip(made.inputs, coins, strict=True):
        public = account.public_key(coin.branch, coin.index)
        path = DerivationPath(account.key.my_fingerprint, [coin.branch, coin.index])
        scope.unknown = {}
        scope.witness_utxo = TransactionOutput(coin.amount_raw, Script(account.script(coin.branch, coin.index)))
        if account.address_type == "p2wpkh":
            scope.bip32_derivations[public] = path
        else:
            scope.taproot_internal_key = public
            scope.taproot_bip32_derivations[public] = ([], path)
    for output in made.outputs:
        output.unknown = {}
    return made


def read(account: Account, raw: bytes, draft: Draft, asset_symbol: str, ceiling: int) -> Parsed:
    """What signed bytes say: pure. Of `draft`, its form says what the coins are worth and where change is.

    Raises NotATransfer where the bytes are not in every part as ours are: another version, lock time or sequence, bytes
    left over, a coin that is not ours or not in the form, a signature that is wrong or covers less than everything,
    another fee than the draft's. Raises FeeAboveCeiling.
    """
    form, transaction = form_of(draft), decoded(raw)
    coins = {coin.claim: coin for coin in form.coins}
    spent = [coins.get(claim(each.txid.hex(), each.vout)) for each in transaction.vin]
    ours = [coin for coin in spent if coin is not None and account.has(coin)]
    if not ours or len(ours) != len(transaction.vin) or len({coin.claim for coin in ours}) != len(ours):
        raise NotATransfer("it spends a coin that is not one of ours, or not one of the draft, or one twice")
    _check_signatures(account, transaction, ours)
    fee_raw = sum(coin.amount_raw for coin in ours) - sum(output.value for output in transaction.vout)
    scripts = [output.script_pubkey.data for output in transaction.vout]
    check_fee(fee_raw, vsize_vb(account.address_type, len(ours), scripts), ceiling)
    if fee_raw != draft.fee_cap_raw or fee_raw < 0:
        raise NotATransfer(f"its fee is {fee_raw} satoshi, planned are {draft.fee_cap_raw}")
    return Parsed(
        payments=tuple(payments(account, _without_change(account, transaction, form), asset_symbol)),
        claims=tuple(sorted(coin.claim for coin in ours)),
    )


def payments(account: Account, outputs: Iterable[TransactionOutput], asset_symbol: str) -> list[Payment]:
    """What outputs pay to whom. Raises NotATransfer where one has no address."""
    return [Payment(_address(account, output.script_pubkey), asset_symbol, output.value) for output in outputs]


def _private(account: Account, key: bytes) -> HDKey:
    """The account's private key. Raises ValueError, without the key in it, for any other one."""
    try:
        if len(key) != KEY_BYTES:
            raise ValueError
        private = HDKey.parse(key)
    except Exception:  # embit raises many kinds, some with the key in them
        raise ValueError("not an extended private key") from None
    if not private.is_private:
        raise ValueError("not an extended private key")
    if (private.get_public_key(), private.chain_code) != (account.key.key, account.key.chain_code):
        raise ValueError("the private key of another account")
    return private


def decoded(raw: bytes) -> Transaction:
    """A transaction that is made as we make ours, apart from its signatures. Raises NotATransfer."""
    try:
        transaction = Transaction.parse(raw)
        whole = transaction.serialize() == raw  # embit also reads bytes that end too early
    except Exception as error:  # embit raises many kinds
        raise NotATransfer(f"not the bytes of a transaction: {type(error).__name__}") from None
    if not whole or transaction.version != VERSION or transaction.locktime != LOCK_TIME:
        raise NotATransfer("bytes with more or less in them than a transaction as we make it")
    if any(each.sequence != SEQUENCE or each.script_sig.data for each in transaction.vin):
        raise NotATransfer("a transaction whose inputs are not made as ours")
    return transaction


def _check_signatures(account: Account, transaction: Transaction, coins: Sequence[Coin]) -> None:
    """Raise NotATransfer unless each input has exactly the signature that spends its coin, over the whole transaction
    (SIGHASH_ALL; SIGHASH_DEFAULT of BIP-341 means the same)."""
    scripts = [Script(account.script(coin.branch, coin.index)) for coin in coins]
    amounts_raw = [coin.amount_raw for coin in coins]
    for position, coin in enumerate(coins):
        items, public = transaction.vin[position].witness.items, account.public_key(coin.branch, coin.index)
        try:
            if account.address_type == "p2wpkh":
                signature, key = items
                digest = transaction.sighash_segwit(position, p2pkh_from_p2wpkh(scripts[position]), coin.amount_raw)
                valid = (
                    key == public.sec()
                    and signature[-1] == SIGHASH.ALL
                    and public.verify(ec.Signature.parse(signature[:-1]), digest)
                )
            else:
                (signature,) = items
                digest = transaction.sighash_taproot(position, scripts, amounts_raw)
                tweaked = ec.PublicKey.from_xonly(scripts[position].data[2:])
                valid = len(signature) == SIGNATURE_BYTES and tweaked.schnorr_verify(ec.SchnorrSig(signature), digest)
        except Exception:  # embit raises many kinds
            valid = False
        if not valid:
            raise NotATransfer(f"input {position} has no signature that spends our coin")


def _without_change(account: Account, transaction: Transaction, form: Form) -> list[TransactionOutput]:
    """All outputs but the change: the last one, if it is to our change address."""
    outputs = list(transaction.vout)
    change_script = account.script(INTERNAL_BRANCH, form.change_index)
    if form.change_raw and outputs and outputs[-1].script_pubkey.data == change_script:
        outputs.pop()
    return outputs


def _address(account: Account, script: Script) -> str:
    known = PARAMETERS[account.network]
    try:
        return str(script.address({"bech32": known.hrp, "p2pkh": bytes([known.p2pkh]), "p2sh": bytes([known.p2sh])}))
    except ValueError:
        raise NotATransfer("it pays a script that has no address") from None


def fee_rate(raw: bytes, fee_raw: int) -> int:
    """The rate that a fee of `fee_raw` satoshi is for signed bytes, in satoshi per 1,000 vB, rounded down. Raises
    NotATransfer."""
    return rate_of(fee_raw, _vsize_vb(decoded(raw), raw))


def _vsize_vb(transaction: Transaction, raw: bytes) -> int:
    """BIP-141: bytes without witnesses count four times."""
    witnesses = 2 + sum(len(each.witness.serialize()) for each in transaction.vin)
    return -(-(4 * (len(raw) - witnesses) + witnesses) // 4)
