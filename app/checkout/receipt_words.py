"""What a receipt says beside the facts of the payment."""

import msgspec

from app.checkout.view import CheckoutView
from app.checkout.wording import put_into_words
from app.core.money import group_digits
from app.web.languages import Language


class ReceiptWords(msgspec.Struct, frozen=True, kw_only=True):
    """Each empty where there is none."""

    price: str
    """`49.90 EUR`, where the invoice has a price in a national currency."""
    rate: str
    """`1 BTC = 51,200.00 EUR`: by it the price became an amount."""
    worth: str
    """`4.60 EUR`: about what the payment was worth when it counted, where no price says it."""


def receipt_context(view: CheckoutView, language: Language) -> dict[str, object]:
    """What `checkout/receipt.html` needs for a settled invoice."""
    return {
        "view": view,
        "words": put_into_words(view, language),
        "paid_on": language.moment(view.paid_at) if view.paid_at else "",
        "receipt": receipt_words(view, language),
    }


def receipt_words(view: CheckoutView, language: Language) -> ReceiptWords:
    """The words of the receipt of a settled invoice."""
    price, rate, worth = "", "", ""
    if view.price_decimal:
        price = language.isolate(f"{group_digits(view.price_decimal)} {view.price_currency}")
    elif view.worth:
        figure, currency = view.worth.split(" ")
        worth = language.isolate(f"{group_digits(figure)} {currency}")
    if view.rate is not None:
        rate = language.isolate(f"1 {view.asset} = {group_digits(view.rate.figure)} {view.price_currency}")
    return ReceiptWords(price=price, rate=rate, worth=worth)
