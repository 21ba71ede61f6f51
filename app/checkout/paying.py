"""How to send the amount: `checkout/_paying.html` and the values in it."""

from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

from app.checkout.browser_wallets import wallet_context
from app.checkout.view import CheckoutView
from app.checkout.wording import Words
from app.web.languages import Language
from app.web.pages import Pages, Part, written
from app.web.qr import CODES_KEPT, qr


def paying(pages: Pages, view: CheckoutView, words: Words, language: Language) -> Part:
    """The part of a page that can be paid now, or while another deposit is reviewed."""
    _ = language.gettext
    label = _("QR code with the address") if view.has_link_code else _("QR code with amount and address")
    slots = {
        "network": words.network,
        "grouped": _grouped(view.address_groups),
        "address": view.address,
        "warning": words.network_warning,
        "payment_uri": view.payment_uri,
        "qr": _code(view.qr_text or view.payment_uri, label),
        "link_code_url": view.link_code_url,
        "sent_url": view.sent_url,
        **wallet_context(view, language),
    }
    return pages.filled(
        "checkout/_paying.html",
        slots,
        language=language,
        protocol=view.wallet.protocol if view.wallet is not None else "",
        announced=bool(view.announced),
        has_link_code=view.has_link_code,
    )


@lru_cache(maxsize=CODES_KEPT)
def _code(text: str, label: str) -> Part:
    return written(qr(text, label=label))


def _grouped(groups: Sequence[str]) -> Markup:
    """A value in groups, for comparing by eye. Selecting it by hand still copies it without gaps."""
    spans = str(escape(" ".join(groups))).replace(" ", "</span><wbr><span>")
    return Markup(f"<span>{spans}</span>" if groups else "")  # noqa: S704 - escaped above
