"""A payment that waits, beside what the chain says of it: what is asked for, what the signer has looked up, and in a
word how both fit together. Pure rules over what was read."""

from collections.abc import Mapping

import msgspec
from markupsafe import Markup

from app.backoffice.networks import Snapshot
from app.backoffice.withdrawals import WithdrawalDetails
from app.operator.labels import Labels, Tone


class Beside(msgspec.Struct, frozen=True):
    """One line: what is asked or known here, what the chain says, and the word for both."""

    name: str
    here: str
    chain: str
    word: str
    tone: Tone


NOT_LOOKED = "The signer has not looked it up yet"


def beside(details: WithdrawalDetails, wallet: Mapping[str, Snapshot], labels: Labels) -> list[Beside]:
    """The lines of a payment for which nothing is signed. `wallet`: what the hot wallet of its network held at the
    signer's last look, by asset."""
    return [_amount(details, wallet, labels), _destination(details), _cost(details, wallet, labels), *_token(details)]


def _amount(details: WithdrawalDetails, wallet: Mapping[str, Snapshot], labels: Labels) -> Beside:
    intent = details.intent
    asked = labels.amount(intent.network, intent.asset, intent.amount_raw)
    held = wallet.get(intent.asset)
    if held is None:
        return Beside("Amount", asked, "What the hot wallet holds is not known yet", "Not known", "neutral")
    free = labels.amount(intent.network, intent.asset, held.free_raw)
    chain = Markup("The hot wallet has {} that nothing else waits for").format(free)
    enough = held.free_raw >= intent.amount_raw
    return Beside("Amount", asked, chain, "Enough" if enough else "Too little", "positive" if enough else "caution")


def _destination(details: WithdrawalDetails) -> Beside:
    times, preview = details.destination_history.confirmed, details.preview
    here = "Never paid before by this merchant"
    if times:
        here = f"Paid {'once' if times == 1 else f'{times} times'} before by this merchant"
    elif details.destination_history.paid_from_here:
        here = "The invoice was paid from it"
    if preview is None:
        return Beside("Destination", here, NOT_LOOKED, "Not known", "neutral")
    if preview.is_frozen:
        return Beside("Destination", here, "Frozen by the issuer", "Frozen", "critical")
    if preview.is_contract:
        return Beside("Destination", here, "A contract", "Unusual", "caution")
    if preview.is_new_account:
        return Beside("Destination", here, "Not on chain yet: the payment makes it", "New", "progress")
    return Beside("Destination", here, "No contract, not frozen", "Usual", "positive")


def _cost(details: WithdrawalDetails, wallet: Mapping[str, Snapshot], labels: Labels) -> Beside:
    config, preview = labels.config(details.intent.network), details.preview
    native = None if config is None or config.native is None else config.native.symbol
    left_raw = wallet[native].gas_left_raw if native is not None and native in wallet else None
    here = "What the treasury has for fees is not known yet"
    if native is not None and left_raw is not None:
        here = Markup("The treasury has {} for fees").format(labels.amount(details.intent.network, native, left_raw))
    if preview is None:
        return Beside("Sending it costs", here, NOT_LOOKED, "Not known", "neutral")
    words = preview.cost_in_words[:1].upper() + preview.cost_in_words[1:]
    if preview.cost_raw is None or left_raw is None:
        return Beside("Sending it costs", here, words, "Not known", "neutral")
    enough = preview.cost_raw <= left_raw
    word = "Enough" if enough else "Too little"
    return Beside("Sending it costs", here, words, word, "positive" if enough else "caution")


def _token(details: WithdrawalDetails) -> list[Beside]:
    """Only where its issuer keeps it from arriving whole."""
    preview, asset = details.preview, details.intent.asset
    found = []
    if preview is not None and preview.is_paused:
        found.append(Beside(asset, "Would wait until that ends", "Paused by its issuer", "Paused", "caution"))
    if preview is not None and preview.fee_bps:
        keeps = f"Keeps {Labels.percent(preview.fee_bps)} of each transfer"
        found.append(Beside(asset, "Would wait until that ends", keeps, "A fee", "caution"))
    return found
