"""How each form is filled in so that it is carried out, by the address that it is sent to.

The tests of forms take the addresses from the app's own routes: a form without an entry here fails them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cabinet.world import ELSEWHERE, OPEN_JOB
from tests.identity.browsing import PASSWORD

MERCHANT = "/cabinet/{merchant_id:str}/{mode:str}"
HOOK = "https://127.0.0.1:8443/hook"
PAYOUT = {"asset": "USDT@ethereum", "amount": "1.00", "destination": ELSEWHERE, "description": ""}
KEY = {"name": "Till", "scopes": "invoices.read", "allowlist": "", "rate_limit_per_minute": "60", "expires_at": ""}
LINK = {"amount": "3.00", "currency": "USDT@ethereum", "description": "Guided tour", "max_payments": "20"}
BUSINESS = {
    "name": "Lichtung",
    "legal_name": "Lichtung eG",
    "country": "DE",
    "website": "https://lichtung.example",
    "business": "Lamps made by hand in a small workshop.",
    "monthly_volume": "under_10k",
}


@dataclass(frozen=True)
class Filled:
    """A form that will be carried out. `query` is for its page, `ids` for the address; `audited` is how many rows the
    audit log gets, `afterwards` the status of the same form sent later."""

    fields: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    audited: int = 1
    afterwards: int = 303


def of_cabinet(
    today: str, viewer_id: str, key_id: str, open_invoice_id: str, priced_invoice_id: str = ""
) -> dict[str, Filled]:
    """The forms of a merchant's pages, in an order in which all can be carried out: leaving is last."""
    endpoint, key = f"{MERCHANT}/webhooks/{{endpoint_id:str}}", f"{MERCHANT}/keys/{{key_id:str}}"
    link = f"{MERCHANT}/payment-links/{{link_id:str}}"
    invoice = {"amount": "3.00", "currency": "USDT@ethereum", "expires_in": "60", "fee_payer": "merchant"}
    hook = {"which": "all", "description": "Orders", "url": HOOK}
    return {
        f"{MERCHANT}/first-steps/hide": Filled(audited=0),
        f"{MERCHANT}/first-steps/show": Filled(audited=0),
        **_of_saved_filters(),
        f"{MERCHANT}/invoices/new": Filled(invoice),
        f"{MERCHANT}/invoices/{{invoice_id:str}}/cancel": Filled(ids={"invoice_id": open_invoice_id}),
        f"{MERCHANT}/invoices/{{invoice_id:str}}/refund": Filled({"amount": "1.00", "refund_address": ELSEWHERE}),
        f"{MERCHANT}/payment-links/new": Filled(LINK),
        f"{link}/edit": Filled({**LINK, "amount": "4.00"}),
        f"{link}/off": Filled(),
        f"{link}/on": Filled(),
        f"{MERCHANT}/till": Filled({"amount": "3.00", "currency": "USDT@ethereum", "sale": ""}),
        f"{MERCHANT}/till/{{invoice_id:str}}/choose": Filled(
            {"way": "USDT@ethereum"}, ids={"invoice_id": priced_invoice_id}, audited=0
        ),
        f"{MERCHANT}/till/{{invoice_id:str}}/cancel": Filled(ids={"invoice_id": priced_invoice_id}),
        f"{MERCHANT}/payouts/review": Filled(query=PAYOUT),
        f"{MERCHANT}/payouts/{{payout_id:str}}/cancel": Filled(),
        f"{MERCHANT}/ledger/{{name:str}}/verify": Filled(audited=0),
        f"{MERCHANT}/statements/{{month:str}}/evidence": Filled(audited=0),
        f"{MERCHANT}/work/{{job_id:str}}/cancel": Filled(ids={"job_id": OPEN_JOB}, audited=0),
        f"{MERCHANT}/exports/invoices": Filled(query={"how": "prepare"}, audited=0),
        f"{MERCHANT}/exports/payouts": Filled(query={"how": "prepare"}, audited=0),
        f"{MERCHANT}/exports/refunds": Filled(query={"how": "prepare"}, audited=0),
        f"{MERCHANT}/team/{{account_id:str}}/secrets": Filled({"secrets": f"api_key:{key_id}", "grace_hours": "0"}),
        f"{MERCHANT}/keys/new": Filled(KEY),
        f"{key}/edit": Filled(KEY),
        f"{key}/rotate": Filled({"grace_hours": "24"}),
        f"{key}/revoke": Filled(),
        f"{MERCHANT}/webhooks/new": Filled(hook),
        f"{endpoint}/edit": Filled(hook),
        f"{endpoint}/secret": Filled(),
        f"{endpoint}/rotate": Filled({"overlap_hours": "24"}),
        f"{endpoint}/test": Filled(),
        f"{endpoint}/check": Filled(),
        f"{endpoint}/replay": Filled({"since": today}),
        f"{endpoint}/deliveries/{{event_id:str}}/replay": Filled(),
        f"{MERCHANT}/events/{{event_id:str}}/replay": Filled(),
        f"{endpoint}/pause": Filled(),
        f"{endpoint}/enable": Filled(),
        f"{endpoint}/delete": Filled(),
        f"{MERCHANT}/team/invite": Filled({"email": "nora@example.test", "role": "viewer"}),
        f"{MERCHANT}/team/invitations/{{invitation_id:int}}/again": Filled(),
        f"{MERCHANT}/team/invitations/{{invitation_id:int}}/withdraw": Filled(),
        f"{MERCHANT}/team/{{account_id:str}}": Filled({"role": "developer"}),
        f"{MERCHANT}/team/{{account_id:str}}/remove": Filled(),
        f"{MERCHANT}/security/remedy": Filled({"finding": f"no_totp:{viewer_id}"}),
        f"{MERCHANT}/settings": Filled({"fee_payer": "customer", "accept_parts": "no"}),
        f"{MERCHANT}/settings/prices": Filled(
            {
                "currencies": "EUR",
                "spread_bps": "0",
                "quote_minutes": "15",
                "late_quote_bps": "0",
                "place.USDT@ethereum": "1",
                "place.ETH@ethereum": "2",
            },
            audited=2,
        ),
        f"{MERCHANT}/settings/embedding": Filled({"frame_origins": "https://shop.example"}),
        f"{MERCHANT}/settings/returns": Filled({"return_addresses": "direct"}),
        f"{MERCHANT}/reviews/{{deposit_id:str}}/return-address": Filled({"decision": "confirmed"}),
        f"{MERCHANT}/settings/branding": Filled({"display_name": "Harbour", "own_accent": "no"}),
        f"{MERCHANT}/team/leave": Filled(audited=2, afterwards=404),
    }


def _of_saved_filters() -> dict[str, Filled]:
    """Each list's filters are saved, and removed again; the first one saved has the number 1."""
    queries = {"invoices": "status", "payouts": "status", "refunds": "status", "audit": "area"}
    forms = {}
    for number, (which, name) in enumerate(queries.items(), 1):
        query = {name: "keys" if name == "area" else "failed"}
        forms[f"{MERCHANT}/filters/{which}"] = Filled({"name": "Mine"}, query=query, audited=0)
        forms[f"{MERCHANT}/filters/{which}/{{filter_id:int}}/remove"] = Filled(
            ids={"filter_id": str(number)}, audited=0
        )
    return forms


def of_account(session_id: str, browser_id: int) -> dict[str, Filled]:
    """The forms of the account pages. New codes or a new password end the other sessions, so these are ended first.

    A new authenticator is offered in one form and confirmed in another.
    """
    password, security = {"password": PASSWORD}, "/account/security"
    return {
        "/cabinet/apply": Filled(BUSINESS),
        "/cabinet/try": Filled({"name": "Harbour"}),
        "/account": Filled({"name": "Mara"}),
        "/account/time-zone": Filled({"time_zone": "Europe/Berlin"}),
        "/account/emails": Filled({"topics": "keys"}),
        "/account/email": Filled(password | {"email": "mara@new.example"}),
        f"{security}/sessions/{{session_id:str}}/end": Filled(ids={"session_id": session_id}),
        f"{security}/sessions/end-others": Filled(),
        f"{security}/browsers/{{browser_id:int}}/forget": Filled(ids={"browser_id": str(browser_id)}),
        "/account/passkey-offer": Filled({"answer": "later"}, query={"next": "/account"}, audited=0),
        f"{security}/recovery-codes": Filled(),
        f"{security}/authenticator": Filled(password, audited=0),
        "/account/password": Filled(password | {"new_password": "another long phrase 8"}),
    }


def of_desk(scene: Any, other_application: int) -> dict[str, Filled]:
    """The forms of the desk, for the objects of the scene."""
    why = {"reason": "it was looked into"}
    asset = {"chain": "ethereum", "mode": "test", "symbol": "USDT"}
    shop = {"merchant_id": scene.shop}
    return {
        "/desk/alerts/{alert_id:int}/acknowledge": Filled({"note": "recounted"}, ids={"alert_id": str(scene.alert)}),
        "/desk/applications/{application_id:int}/approve": Filled(ids={"application_id": str(scene.application)}),
        "/desk/applications/{application_id:int}/reject": Filled(why, ids={"application_id": str(other_application)}),
        "/desk/approvals/{withdrawal_id:str}/approve": Filled(ids={"withdrawal_id": scene.usual}),
        "/desk/approvals/{withdrawal_id:str}/reject": Filled(why, ids={"withdrawal_id": scene.large}),
        "/desk/holds/{hold_id:int}": Filled(why, ids={"hold_id": str(scene.hold)}),
        "/desk/holds/withdrawals/{withdrawal_id:str}": Filled(why, ids={"withdrawal_id": scene.refused}),
        "/desk/merchants/{merchant_id:str}/standing/{change:str}": Filled(why, ids=shop | {"change": "suspend"}),
        "/desk/merchants/{merchant_id:str}/terms": Filled({"service_fee_bps": "90", "tolerance_bps": "0"}, ids=shop),
        "/desk/merchants/{merchant_id:str}/assets/{chain:str}/{mode:str}/{symbol:str}": Filled(
            {"enabled": "on", "min_raw": "1.00", "max_raw": "", "daily_cap_raw": ""}, ids=shop | asset
        ),
        "/desk/reconciliation": Filled({"full": "on"}),
        "/desk/reviews/{deposit_id:str}/{verb:str}": Filled(why, ids={"deposit_id": scene.review, "verb": "credit"}),
        "/desk/switches/{name:str}": Filled(why | {"turn": "pause"}, ids={"name": "payouts"}),
    }


ELSEWHERE_TESTED = {
    "/account/security/authenticator/confirm": "tests/identity/test_security_pages.py: the code is of the new secret",
    "/account/security/authenticator/off": "tests/identity/test_security_pages.py: the walk needs the authenticator",
    "/cabinet/invitations/{invitation_id:int}/accept": "tests/cabinet/test_begin.py: it needs an invitation",
    "/account/security/passkeys/new": "tests/operator/test_passkeys_browser.py: a browser makes the passkey",
    "/account/security/passkeys/confirm": "tests/identity/test_passkey_pages.py: it leads to the page of a new one",
    "/account/security/passkeys/{passkey_id:int}/rename": "tests/identity/test_passkey_pages.py: it needs a passkey",
    "/account/security/passkeys/{passkey_id:int}/remove": "tests/identity/test_passkey_pages.py: it needs a passkey",
    "/invitation/accept": "tests/merchants/test_team.py: the link in the letter works once",
    MERCHANT + "/application": "tests/cabinet/over_chain/test_rights.py: an approved merchant has none to send",
    "/sign-out": "tests/identity/test_sign_in_pages.py: it ends what sends it",
    **{
        f"/desk/networks/{{chain:str}}/{{mode:str}}/consolidation/{verb}": (
            "tests/operator/over_bitcoin/test_bitcoin_pages.py: only a network of coins has it"
        )
        for verb in ("approve", "revoke")
    },
    **{
        f"/desk/networks/{{chain:str}}/{{mode:str}}/{form}": (
            "tests/operator/over_tron/test_tron_pages.py: only a network with energy has it"
        )
        for form in (
            "stake",
            "stake/{request_id:int}/cancel",
            "sweeps/{candidate_id:int}/approve",
            "sweeps/approvals/{approval_id:int}/revoke",
        )
    },
    "/desk/invoices/{invoice_id:str}/reviews/{verb:str}": (
        "tests/operator/test_desk_actions.py: it needs an invoice with several reviews"
    ),
    **dict.fromkeys(
        (
            "/desk/approvals/{withdrawal_id:str}/notes",
            "/desk/reviews/{deposit_id:str}/notes",
            "/desk/alerts/{alert_id:int}/notes",
        ),
        "tests/operator/test_queues.py: their page has another form with a code",
    ),
    "/desk/approvals/{withdrawal_id:str}/attach": "tests/operator/test_desk_actions.py: it needs a real transaction",
}
"""Forms that the walks leave out, and where they are tested."""

SIGNED_OUT = (
    *("/sign-in", "/sign-in/passkey", "/sign-in/code", "/sign-up", "/confirm-email", "/confirm-email/change"),
    *("/forgot-password", "/reset-password", "/invitation", "/not-me"),
)
"""Forms for visitors who are not signed in: bound by links that work once, and by throttles."""
