"""Every form with everything wrong in it: what is sent, and the fields that the page must name.

A form without an entry has no field but the code, or none at all. Where a code is asked for, none is sent.
"""

import re
from collections.abc import Mapping
from html import unescape

import httpx

from tests.forms.filled import BUSINESS, MERCHANT

KEY = {
    "name": "",
    "allowlist": "10.0.0.1/8",
    "rate_limit_per_minute": "many",
    "expires_at": "2001-01-01",
}
HOOK = {"url": "http://shop.example", "description": "x" * 501, "which": "some"}
LINK = {
    "amount": "1,250",
    "min_amount": "x",
    "max_amount": "-1",
    "description": "x" * 501,
    "max_payments": "many",
    "expires_at": "2001-01-01",
    "success_url": "http://shop.example",
    "metadata": "[]",
}
NAMED_LINK = (
    *("amount", "min_amount", "max_amount", "description", "max_payments", "expires_at", "success_url", "metadata"),
)
NAMED_KEY = ("name", "scopes", "allowlist", "rate_limit_per_minute", "expires_at", "code")
NAMED_HOOK = ("url", "description", "event_types", "code")
NOTHING = dict.fromkeys(BUSINESS, "")

Wrong = Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]]

OF_CABINET: Wrong = {
    f"{MERCHANT}/invoices/new": (
        {
            "amount": "1,250",
            "currency": "GOLD",
            "expires_in": "0",
            "fee_payer": "nobody",
            "description": "x" * 501,
            "order_id": "x" * 101,
            "customer_id": "x" * 101,
            "customer_email": "nobody",
            "success_url": "http://shop.example",
            "fail_url": "shop",
        },
        (
            *("amount", "currency", "expires_in", "fee_payer", "description", "order_id", "customer_id"),
            *("customer_email", "success_url", "fail_url"),
        ),
    ),
    f"{MERCHANT}/payment-links/new": (LINK | {"currency": "GOLD"}, ("currency", *NAMED_LINK)),
    f"{MERCHANT}/payment-links/{{link_id:str}}/edit": (LINK, NAMED_LINK),
    f"{MERCHANT}/till": ({"amount": "", "currency": "GOLD"}, ("amount", "currency")),
    f"{MERCHANT}/invoices/{{invoice_id:str}}/refund": (
        {"amount": "", "refund_address": "0x12", "reason": "x" * 501, "customer_visible_reason": "x" * 501},
        ("amount", "refund_address", "reason", "customer_visible_reason", "code"),
    ),
    f"{MERCHANT}/payouts/review": (
        {"asset": "USDT@ethereum", "amount": "9999999", "destination": "", "description": "x" * 501},
        ("amount", "destination", "description"),
    ),
    f"{MERCHANT}/keys/new": (KEY, NAMED_KEY),
    f"{MERCHANT}/keys/{{key_id:str}}/edit": (KEY, NAMED_KEY),
    f"{MERCHANT}/keys/{{key_id:str}}/rotate": ({"grace_hours": "73"}, ("grace_hours", "code")),
    f"{MERCHANT}/webhooks/new": (HOOK, NAMED_HOOK),
    f"{MERCHANT}/webhooks/{{endpoint_id:str}}/edit": (HOOK, NAMED_HOOK),
    f"{MERCHANT}/webhooks/{{endpoint_id:str}}/rotate": ({"overlap_hours": ""}, ("overlap_hours", "code")),
    f"{MERCHANT}/webhooks/{{endpoint_id:str}}/replay": ({"since": "soon"}, ("since", "code")),
    f"{MERCHANT}/team/invite": ({"email": "nora@", "role": "king"}, ("email", "role", "code")),
    f"{MERCHANT}/team/{{account_id:str}}": ({"role": ""}, ("role", "code")),
    f"{MERCHANT}/team/{{account_id:str}}/secrets": ({"grace_hours": "x"}, ("secrets", "grace_hours", "code")),
    f"{MERCHANT}/settings": ({"fee_payer": "", "accept_parts": "?"}, ("fee_payer", "accept_parts", "code")),
    f"{MERCHANT}/settings/prices": (
        {
            "currencies": "EUR, XAU",
            "reporting_currency": "ZZZ",
            "spread_bps": "11",
            "quote_minutes": "soon",
            "late_quote_bps": "-1",
            "place.USDT@ethereum": "first",
        },
        ("currencies", "reporting_currency", "spread_bps", "quote_minutes", "late_quote_bps", "assets", "code"),
    ),
    f"{MERCHANT}/settings/embedding": ({"frame_origins": "shop"}, ("frame_origins", "code")),
    f"{MERCHANT}/settings/returns": ({"return_addresses": "maybe"}, ("return_addresses", "code")),
    f"{MERCHANT}/settings/branding": (
        {"display_name": "x" * 101, "own_accent": "yes", "accent": "red"},
        ("display_name", "accent", "code"),
    ),
    f"{MERCHANT}/reviews/{{deposit_id:str}}/return-address": ({"decision": ""}, ("decision", "code")),
}

OF_ACCOUNT: Wrong = {
    "/cabinet/apply": (NOTHING, tuple(BUSINESS)),
    "/account": ({"name": ""}, ("name",)),
    "/account/email": ({"email": "mara", "password": ""}, ("email", "password", "code")),
    "/account/password": ({"new_password": "short", "password": ""}, ("new_password", "password", "code")),
    "/account/security/authenticator": ({"password": ""}, ("password", "code")),
}

SIGNED_OUT: Wrong = {
    "/sign-up": ({"name": "", "email": "", "password": ""}, ("name", "email", "password")),
    "/sign-in": ({"email": "", "password": ""}, ("email", "password")),
    "/forgot-password": ({"email": "nobody"}, ("email",)),
}

_ITEM = re.compile(r'<li><a href="#field-([^"]+)">(.*?)</a></li>', re.DOTALL)
_SENTENCE = re.compile(r"[A-Z][^\n]{8,}[.!?]", re.DOTALL)
_FRAGMENT = re.compile(r"(?:Must|Is|Has|Holds|Not|Too)\b(?! many)|.*\be-mail\b")


def is_sentence(words: str) -> bool:
    """Whether a message is a whole sentence: a capital, a full stop, and no predicate without its subject."""
    return _SENTENCE.fullmatch(words) is not None and _FRAGMENT.match(words) is None


def assert_names(page: httpx.Response, named: tuple[str, ...], where: str) -> None:
    """The page names these fields and no others: in its title, in the summary, and beside each field."""
    assert page.status_code == 422, (where, page.status_code, page.headers.get("location"))
    assert re.search(r"<title>Error: \w", page.text), where
    found = {name: unescape(words).strip() for name, words in _ITEM.findall(page.text)}
    assert set(found) == set(named), (where, found)
    for name, words in found.items():
        assert is_sentence(words), (where, name, words)
        assert f'id="field-{name}"' in page.text, f"{where}: the link to {name} leads nowhere"
        (beside,) = re.findall(rf'<p class="field__error" id="error-{re.escape(name)}">.*?</span> (.*?)</p>', page.text)
        assert unescape(beside) == words, (where, name)
        assert f"messages-{name}" in "".join(re.findall(r'aria-describedby="([^"]*)"', page.text)), (where, name)
