"""Where is my payment? What a customer reads of the transaction that they ask about (contract, section 12).

The rules of the verdict are in `app/lookups/judging.py`; here they are put into words, as in `wording.py`.
"""

import msgspec

from app.checkout.view import CheckoutView
from app.core.money import format_amount, group_digits
from app.invoices.presentation import InvoiceBody
from app.lookups.asking import MOST_CHARACTERS, txid_in
from app.lookups.facts import Viewer
from app.lookups.judging import Finding, Verdict
from app.networks.config import NetworkConfig
from app.networks.registry import Networks
from app.web.languages import Language
from app.wiring import Services


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one question, translated. `tone` and `icon` are those of the sign beside the headline."""

    tone: str
    icon: str
    headline: str
    words: str
    more: str = ""
    """What helps beside that, or empty."""
    progress: str = ""
    """`3 of 12 confirmations`, or empty."""
    confirmations: int = 0
    confirmations_required: int = 0
    txid: str
    network: str
    replaced_by: str | None = None
    contract: str | None = None
    explorer_url: str | None = None


def network_of(invoice: InvoiceBody, networks: Networks) -> NetworkConfig | None:
    """Where the payment is asked for, or was last; None where it never was."""
    pay_in = invoice.pay_in or (invoice.quotes[0].pay_in if invoice.quotes else None)
    return None if pay_in is None else networks.by(pay_in.chain, invoice.mode)


async def context(
    text: str, view: CheckoutView, network: NetworkConfig, services: Services, language: Language
) -> dict[str, object]:
    """What `checkout/transaction.html` needs, for what the customer has pasted; nothing yet where that is empty. Not
    inside a transaction."""
    told, error = None, ""
    if text:
        try:
            txid = txid_in(text, network)
        except ValueError:
            error = refusal(language)
        else:
            finding = await services.lookups.find(network, txid, Viewer.customer(view.invoice_id))
            told = tell(finding, txid, view, services.networks, language)
    return {"view": view, "told": told, "asked": text[:MOST_CHARACTERS], "error": error}


_SIGNS = {
    Verdict.UNAVAILABLE: ("neutral", "clock"),
    Verdict.UNKNOWN: ("neutral", "search"),
    Verdict.WAITING: ("progress", "clock"),
    Verdict.CONFIRMING: ("progress", "dots"),
    Verdict.FAILED: ("caution", "cross"),
    Verdict.PAID: ("positive", "check"),
    Verdict.PAID_PART: ("progress", "check"),
    Verdict.REORGANISED: ("progress", "clock"),
}
"""Colour and sign of a verdict; all others are a caution."""


def tell(finding: Finding, txid: str, view: CheckoutView, networks: Networks, language: Language) -> Told:
    """What the customer of the page reads of a transaction."""
    network = networks.get(finding.network)
    tone, icon = _SIGNS.get(finding.verdict, ("caution", "caution"))
    headline, words = _sentences(finding, view, networks, language)
    seen, required = finding.confirmations or 0, finding.confirmations_required or 0
    is_confirming = finding.verdict is Verdict.CONFIRMING
    return Told(
        tone=tone,
        icon=icon,
        headline=headline,
        words=words,
        more=_more(finding, network, language),
        progress=_progress(min(seen, required), required, language) if is_confirming else "",
        confirmations=min(seen, required),
        confirmations_required=required if is_confirming else 0,
        txid=txid,
        network=network.display_name,
        replaced_by=finding.replaced_by,
        contract=finding.contract,
        explorer_url=network.explorer_url(txid),
    )


def refusal(language: Language) -> str:
    """The words beside a field that holds no id of a transaction."""
    _ = language.gettext
    return _("This is no transaction ID. Copy it from your wallet or exchange: 64 letters and digits, or a link.")


def _sentences(finding: Finding, view: CheckoutView, networks: Networks, language: Language) -> tuple[str, str]:
    """Headline and explanation of a verdict."""
    _ = language.gettext
    match finding.verdict:
        case Verdict.UNAVAILABLE:
            headline = _("We can’t ask the network at the moment")
            words = _("Please try again in a minute. What you have sent will be found.")
        case Verdict.UNKNOWN:
            headline = _("The network doesn’t know this transaction yet")
            words = _(
                "Exchanges often send only after a while: look there whether it is already sent. If it is, check that "
                "you have copied the whole ID."
            )
        case Verdict.WAITING:
            headline = _("It waits for a block")
            words = _("The network knows your transaction. You need not do anything.")
        case Verdict.CONFIRMING:
            headline = _("We see your payment")
            words = _("The network is confirming it. You need not do anything.")
        case Verdict.FAILED:
            headline = _("This transaction failed")
            words = _("It moved nothing but its fee: the money is still in your wallet.")
        case Verdict.PAID:
            headline = _("This transaction has paid")
            words = _("%(amount)s came in, and the payment counts.")
        case Verdict.PAID_PART:
            headline = _("A part of your payment has come in")
            words = _("%(amount)s came in. The payment page says what is still missing.")
        case Verdict.PAID_SHORT:
            headline = _("Less came in than was asked for")
            words = _("%(amount)s came in. A person looks at it.")
        case Verdict.PAID_OVER:
            headline = _("More came in than was asked for")
            words = _("%(amount)s came in. A person looks at it.")
        case Verdict.PAID_LATE:
            headline = _("It came in after the time was up")
            words = _("%(amount)s came in. A person looks at it.")
        case Verdict.PAID_AFTER_CANCELLATION:
            headline = _("It came in after the payment was cancelled")
            words = _("%(amount)s came in. A person looks at it.")
        case Verdict.PAID_AGAIN:
            headline = _("It was paid before")
            words = _("%(amount)s came in once more. A person looks at it and can have it sent back.")
        case Verdict.DUST:
            headline = _("This is too little to count")
            words = _("%(amount)s came in. Please send the amount on the payment page.")
        case Verdict.OTHER_ASSET:
            headline = _("Something other than %(asset)s came in")
            words = _("%(amount)s came in. A person looks at it.")
        case Verdict.OTHER_TOKEN:
            headline = _("This is not %(asset)s")
            words = _(
                "It is another token, %(token)s, and doesn’t count. Tell %(merchant)s the reference %(reference)s."
            )
        case Verdict.LOOKALIKE_TOKEN:
            headline = _("This token only looks like %(asset)s")
            words = _("It is named %(token)s, but comes from another contract. It doesn’t count.")
        case Verdict.OTHER_NETWORK:
            headline = _("The right address, but the wrong network")
            words = _(
                "It was sent on %(network)s and should be on %(expected)s, so it doesn’t count by itself. Tell "
                "%(merchant)s the reference %(reference)s and this transaction."
            )
        case Verdict.UNCLAIMED:
            headline = _("It came in, and we can’t tell what it is for")
            words = _("A person looks at it. Tell %(merchant)s the reference %(reference)s.")
        case Verdict.ELSEWHERE | Verdict.OTHER_INVOICE:
            headline = _("It doesn’t pay this payment")
            words = _(
                "It brings nothing to the address of this payment. Compare the recipient in your wallet with the "
                "address on the payment page."
            )
        case Verdict.REORGANISED:
            headline = _("The network has taken its block back")
            words = _("It usually comes back in another block. You need not do anything.")
        case Verdict.REPLACED:
            headline = _("Another transaction took its place")
            words = _("This one will never count. Look in your wallet for the newer one, and ask here about that.")
        case Verdict.DROPPED:
            headline = _("The network has forgotten this transaction")
            words = _("Look into your wallet before you send again: it may still come.")
    names = _names(finding, view, networks, language)
    return headline % names, words % names


def _names(finding: Finding, view: CheckoutView, networks: Networks, language: Language) -> dict[str, str]:
    network = networks.get(finding.network)
    names = {
        "amount": _amount(finding, network),
        "asset": view.asset,
        "token": finding.token or "?",
        "merchant": view.merchant_name,
        "reference": view.invoice_id,
        "network": network.display_name,
        "expected": networks.get(finding.expected_network or finding.network).display_name,
    }
    return {name: language.isolate(value) for name, value in names.items()}


def _more(finding: Finding, network: NetworkConfig, language: Language) -> str:
    """What helps beside the verdict: the fee against today's, confirmations that are missing, or how old the answer
    is."""
    _ = language.gettext
    if finding.from_books:
        return _("We can’t ask the network at the moment: this is what we have seen before.")
    if finding.verdict is Verdict.WAITING:
        if finding.fee_rate_raw is None or finding.usual_fee_rate_raw is None:
            return ""
        fees = (network.fee_rate_in_words(rate) for rate in (finding.fee_rate_raw, finding.usual_fee_rate_raw))
        fee, usual = (language.isolate(words) for words in fees)
        if finding.fee_rate_raw < finding.usual_fee_rate_raw:
            words = _(
                "Its fee is low: %(fee)s, where %(usual)s is usual now. It may take long; many wallets can raise it."
            )
        else:
            words = _("Its fee is %(fee)s, and %(usual)s is usual now.")
        return words % {"fee": fee, "usual": usual}
    seen, required = finding.confirmations, finding.confirmations_required
    if finding.verdict is not Verdict.CONFIRMING and seen is not None and required is not None and seen < required:
        return _progress(seen, required, language)
    return ""


def _progress(seen: int, required: int, language: Language) -> str:
    words = language.ngettext(
        "%(seen)s of %(required)s confirmation", "%(seen)s of %(required)s confirmations", required
    )
    return words % {"seen": language.count(seen), "required": language.count(required)}


def _amount(finding: Finding, network: NetworkConfig) -> str:
    asset = None if finding.asset is None else network.asset(finding.asset)
    if asset is None or finding.amount_raw is None:
        return "?"
    return f"{group_digits(format_amount(finding.amount_raw, asset.decimals))} {asset.symbol}"
