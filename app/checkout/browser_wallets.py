"""What the page says while a wallet in the browser pays. The page's script picks the sentence of each step."""

from functools import cache

import msgspec

from app.checkout.view import CheckoutView
from app.core.money import group_digits
from app.web.languages import Language
from app.web.pages import Part, joined, written

_MARK = "\0"
"""In place of a sentence: none is like it."""


def wallet_context(view: CheckoutView, language: Language) -> dict[str, str | Part]:
    """What `checkout/_wallets.html` needs, as JSON: what a wallet is asked and `wallet_words`; empty where none can be
    asked."""
    if view.wallet is None or not (view.is_payable or view.may_still_be_paid):
        return {"wallet_request": "", "wallet_words": ""}
    before, after = _around_funds(view.chain_name, language)
    words = joined((before, written(_json(_funds(view, language))), after))
    return {"wallet_request": _json(view.wallet.request), "wallet_words": words}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def wallet_words(view: CheckoutView, language: Language) -> dict[str, str]:
    """The sentences by the names that `static/js/wallets.js` and the scripts of the protocols know. In `pay`
    the script puts the wallet's name for `{wallet}`."""
    return {**_sentences(view.chain_name, language), "funds": _funds(view, language)}


def _funds(view: CheckoutView, language: Language) -> str:
    amount = language.isolate(f"{group_digits(view.amount_decimal)} {view.asset}")
    return language.gettext("This account holds less than %(amount)s.") % {"amount": amount}


@cache
def _around_funds(network_name: str, language: Language) -> tuple[Part, Part]:
    """`wallet_words` as JSON in HTML: what is before and after the only sentence that has a value."""
    before, _, after = _json({**_sentences(network_name, language), "funds": _MARK}).partition(_json(_MARK))
    return written(before), written(after)


@cache
def _sentences(network_name: str, language: Language) -> dict[str, str]:
    """Those that are the same on all pages of a network."""
    _ = language.gettext
    network = {"network": language.isolate(network_name)}
    return {
        "pay": _("Pay with %(wallet)s") % {"wallet": "{wallet}"},
        "unnamed": _("your browser’s wallet"),
        "connect": _("Your wallet asks whether this page may see your account. Please confirm it there."),
        "switch": _("Your wallet asks to change to %(network)s. Please confirm it there.") % network,
        "confirm": _("Compare the amount in your wallet with this page, and confirm it there."),
        "sent": _("Sent. This page says when the network has it."),
        "refused": _("It was declined in your wallet. Nothing was sent."),
        "pending": _("Your wallet has another question open. Please open your wallet and answer it there."),
        "network": _("Your wallet is on another network. Change to %(network)s there, then press again.") % network,
        "account": _("The account in your wallet has changed. Please press again."),
        "funds": "",
        "fee": _("This account doesn’t hold enough for the amount and the network’s fee."),
        "changed": _("The amount on this page has changed. Please press again."),
        "failed": _("Your wallet could not do it. Nothing was sent."),
        "unsure": _("Your wallet gave no clear answer. Look there whether it was sent before you press again."),
    }
