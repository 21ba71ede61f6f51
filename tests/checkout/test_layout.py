"""Parts of the page are rendered once and filled many times: no page may show what was written for another one."""

import random
from datetime import UTC, datetime

from msgspec.structs import replace

from app.checkout import layout
from app.checkout.view import CheckoutView, FeePayer, NetworkFee
from app.core.text import HARMFUL_ON_A_PAGE
from app.web import languages
from app.web.pages import Pages
from tests.checkout.site import a_deposit, states

HOSTILE = "<script>alert(1)</script>\0merchant\0{{ 7 * 7 }}%(merchant)s \u202e'\"&"
SHOWN = (
    *("awaiting", "wallets", "awaiting_rest", "choice", "choice_of_many", "quoted", "quote_over", "confirming"),
    *("bitcoin_dropped", "paid", "manual_review", "expired", "framed", "partially_refunded", "branded"),
)


def test_a_part_that_is_filled_again_holds_nothing_of_the_page_before() -> None:
    shown = [
        (view, language)
        for name in SHOWN
        for code in ("en", "ar")
        for language in languages.every()
        if language.code == code
        for view in _alike(states()[name], f"{name} {code}")
    ]
    fresh = [layout.page(Pages(), view, language) for view, language in shown]
    assert len(set(fresh)) == len(fresh)

    pages = Pages()
    for _ in range(2):
        for at in random.sample(range(len(shown)), len(shown)):
            view, language = shown[at]
            assert layout.page(pages, view, language) == fresh[at]
            assert layout.live_part(pages, view, language).decode() in fresh[at].decode()


def test_text_of_strangers_is_text_on_each_page_whatever_it_holds() -> None:
    pages = Pages()
    for name in SHOWN:
        plain = states()[name]
        for _ in range(2):
            page = layout.page(
                pages, replace(plain, merchant_name=HOSTILE, description=HOSTILE), languages.ENGLISH
            ).decode()
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert(1)&lt;/script&gt;\0merchant\0{{ 7 * 7 }}%(merchant)s &#39;&#34;&amp;" in page
            assert "\u202e" not in page
            again = layout.page(pages, plain, languages.ENGLISH).decode()
            assert "alert(1)" not in again
            assert "\0" not in again


def test_each_character_is_made_harmless_where_it_is_the_only_one() -> None:
    pages, plain = Pages(), states()["awaiting"]
    shown = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;", **dict.fromkeys(HARMFUL_ON_A_PAGE, "")}
    for character, harmless in shown.items():
        view = replace(plain, merchant_name=f"one{character}two", description=f"three{character}four")
        page = layout.page(pages, view, languages.ENGLISH).decode()
        assert page.count(f"one{harmless}two") >= 3
        assert f"three{harmless}four" in page
        assert f"one{character}two" not in page
        assert f"three{character}four" not in page


def _alike(view: CheckoutView, name: str) -> list[CheckoutView]:
    """Pages of one form whose every text differs, and of another one."""
    view = replace(view, now=datetime.now(UTC))
    first = replace(view, merchant_name=f"Shop of {name}", description=f"Order of {name}", invoice_id=f"INV-{name}")
    other = replace(
        view,
        merchant_name=f"Other shop of {name}",
        description="",
        page_link=f"https://pay.example/pay/{name}",
        status_url=f"/pay/{name}/status",
        fee_payer=FeePayer.CUSTOMER,
        service_fee_decimal="0.07",
        network_fee=NetworkFee(figure="0.35", unit="EUR"),
        amount_decimal="1234.000002",
        deposits=tuple(replace(a_deposit(), transaction_id="ab" * 32) for _ in view.deposits),
    )
    return [first, other, replace(first, merchant_name=f"Third shop of {name}", logo_url=f"/pay/{name}/logo")]
