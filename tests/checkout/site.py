"""The checkout's templates and assets on loopback, under the strict CSP, with invoices that a test sets.

It replaces only the handlers: templates, styles, script and texts are the real ones.
"""

import contextlib
import queue
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from msgspec.structs import replace

from app.checkout import layout, lookup, returning
from app.checkout.receipt_words import receipt_context
from app.checkout.returning import say_problem
from app.checkout.view import (
    SETTLED,
    Anomaly,
    CheckoutView,
    FeePayer,
    Gone,
    Mistake,
    NetworkFee,
    RateShown,
    ReturnState,
    Transfer,
    WayToPay,
)
from app.invoices.states import Status
from app.live import contents
from app.lookups.judging import Finding, Verdict
from app.networks.evm.wallets import wallet_payment
from app.networks.registry import Networks
from app.web import brand, languages
from app.web.languages import ENGLISH, Language
from app.web.pages import Pages
from app.web.qr import qr_image
from app.withdrawals.destinations import Problem
from tests.factories.bitcoin import bitcoin_network
from tests.factories.networks import evm_network
from tests.factories.tron import tron_network

ROOT = Path(__file__).parents[2]
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
ADDRESS = "TQn9Y2khEsLJW1ChVWFMSMeRDow5KcbLSE"
BITCOIN_ADDRESS = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
DEPOSIT_ID = "3f1a9c0b5e7d2846a1c3f5b7d9e0a2c4b6d8f0a1b3c5d7e9f1a2b4c6d877e0b2"


def a_view(status: Status = Status.AWAITING_DEPOSIT, **changes: Any) -> CheckoutView:
    """An invoice of 5 USDT on Tron, an hour to go, in `status`."""
    now = datetime.now(UTC)
    view = CheckoutView(
        invoice_id="INV-0K3V9ZQ2TA",
        merchant_name="Harbour & Pine",
        description="Order 1042 · two linen shirts, one oak tray",
        status=status,
        amount_decimal="5.000073",
        cent_tail=73,
        asset="USDT",
        chain_name="Tron",
        token_standard="TRC-20",
        address=ADDRESS,
        qr_text=ADDRESS,
        payment_uri=f"tron:{ADDRESS}?token=TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t&amount=5.000073",
        fee_payer=FeePayer.MERCHANT,
        service_fee_decimal="0.04",
        now=now,
        expires_at=now + timedelta(minutes=59, seconds=59),
        confirmations_required=20,
        block_time_ms=3_000,
        page_url="/pay/a",
        status_url="/pay/a/status",
        events_url="/pay/a/events",
        receipt_url="/pay/a/receipt",
        receipt_link="https://pay.example/receipt/INV-0K3V9ZQ2TA.cmVjZWlwdC1pcy1rZXB0",
        page_link="https://pay.example/pay/INV-0K3V9ZQ2TA.cGF5bWVudC1pcy1rZXB0",
        lookup_url="" if status in SETTLED else "/pay/a/transaction",
    )
    return replace(view, **changes)


ETHER_ADDRESS = "0x52908400098527886E0F7030069857D2E4169EE7"


def an_ether_view(status: Status = Status.AWAITING_DEPOSIT, **changes: Any) -> CheckoutView:
    """An invoice of 0.00123456 ETH, an hour to go: its code is the address, and a wallet in the browser can pay it."""
    config = evm_network(["http://127.0.0.1:1"], f"0x{'5f' * 20}")
    view = a_view(
        status,
        asset="ETH",
        chain_name="Ethereum",
        token_standard="",
        amount_decimal="0.00123456",
        cent_tail=0,
        address=ETHER_ADDRESS,
        payment_uri=f"ethereum:{ETHER_ADDRESS}@31337?value=1234560000000000",
        qr_text=ETHER_ADDRESS,
        wallet=wallet_payment(config, config.assets[1], ETHER_ADDRESS, 1_234_560_000_000_000),
        sent_url="/pay/a/sent",
    )
    return replace(view, **changes)


def a_bitcoin_view(status: Status = Status.AWAITING_DEPOSIT, **changes: Any) -> CheckoutView:
    """An invoice of 0.00051234 BTC, an hour to go, in `status`."""
    view = a_view(
        status,
        amount_decimal="0.00051234",
        cent_tail=0,
        asset="BTC",
        chain_name="Bitcoin",
        token_standard="",
        address=BITCOIN_ADDRESS,
        payment_uri=f"bitcoin:{BITCOIN_ADDRESS}?amount=0.00051234",
        qr_text=f"BITCOIN:{BITCOIN_ADDRESS.upper()}?amount=0.00051234",
        service_fee_decimal="0.00000410",
        confirmations_required=3,
        block_time_ms=600_000,
    )
    return replace(view, **changes)


def a_priced_view(status: Status = Status.AWAITING_CHOICE, **changes: Any) -> CheckoutView:
    """An invoice of 49.90 EUR that can be paid with two assets, and with a third one once it has a rate again."""
    ways = (
        WayToPay(
            asset="BTC",
            asset_name="Bitcoin",
            chain="bitcoin",
            chain_name="Bitcoin",
            amount_decimal="0.00097461",
            network_fee=NetworkFee(figure="1.44", unit="EUR"),
            usual_wait_ms=1_800_000,
        ),
        WayToPay(
            asset="USDT",
            asset_name="Tether USD",
            chain="tron",
            chain_name="Tron (TRC-20)",
            amount_decimal="55.3131",
            worth_decimal="50.89",
            network_fee=NetworkFee(figure="14", unit="TRX"),
            usual_wait_ms=57_000,
        ),
        WayToPay(asset="ETH", chain="ethereum", chain_name="Ethereum", amount_decimal=""),
    )
    view = a_view(
        status,
        amount_decimal="49.90",
        asset="EUR",
        cent_tail=0,
        chain_name="",
        token_standard="",
        address="",
        payment_uri="",
        service_fee_decimal="0",
        price_decimal="49.90",
        price_currency="EUR",
        ways_to_pay=ways,
        choose_url="/pay/a/choose",
    )
    return replace(view, invoice_ends_at=view.expires_at, **changes)


def a_view_of_many_ways(**changes: Any) -> CheckoutView:
    """The same with eleven ways: more than fit on a screen."""
    less = NetworkFee(figure="0.01", unit="EUR", is_less=True)
    networks = (("ethereum", "Ethereum"), ("base", "Base"), ("polygon", "Polygon"), ("arbitrum", "Arbitrum One"))
    more = tuple(
        WayToPay(
            asset=symbol,
            asset_name=name,
            chain=chain,
            chain_name=f"{network} (ERC-20)",
            amount_decimal=amount,
            network_fee=NetworkFee(figure="0.31", unit="EUR") if chain == "ethereum" else less,
            usual_wait_ms=36_000,
        )
        for symbol, name, amount in (("USDC", "USD Coin", "54.2417"), ("EURC", "Euro Coin", "49.9001"))
        for chain, network in networks
    )
    view = a_priced_view()
    return replace(view, ways_to_pay=(*view.ways_to_pay, *more), fail_url="https://shop.example/basket", **changes)


def a_quoted_view(**changes: Any) -> CheckoutView:
    """The same, once bitcoin is chosen: the amount holds for a quarter of an hour."""
    priced, view = a_priced_view(), a_bitcoin_view()
    ways = tuple(replace(way, is_chosen=way.asset == "BTC") for way in priced.ways_to_pay)
    quoted = replace(
        view,
        amount_decimal="0.00097461",
        price_decimal="49.90",
        price_currency="EUR",
        ways_to_pay=ways,
        choose_url=priced.choose_url,
        network_fee=NetworkFee(figure="1.44", unit="EUR"),
        rate=RateShown(figure="51200.5", at=view.now - timedelta(seconds=130)),
        invoice_ends_at=view.expires_at,
        expires_at=view.now + timedelta(minutes=14, seconds=50),
        has_had_quote=True,
    )
    return replace(quoted, **changes)


def a_deposit(**changes: Any) -> Transfer:
    """A transfer of the exact amount."""
    return replace(Transfer(transaction_id=DEPOSIT_ID, amount_decimal="5.000073", asset="USDT"), **changes)


def a_mistake(anomaly: Anomaly = Anomaly.LESS, **changes: Any) -> Mistake:
    """4.9 USDT came in, and its customer is asked where it should go back to."""
    now = datetime.now(UTC)
    mistake = Mistake(
        anomaly=anomaly,
        asset="USDT",
        came_decimal="4.9",
        came_at=now - timedelta(minutes=2),
        asked_asset="USDT",
        asked_decimal="5.000073",
        difference_decimal="0.100073",
        due_at=now + timedelta(minutes=50),
        return_state=ReturnState.ASKED,
        return_url="/pay/a/return/DEP-0K3V9ZQ2TA.mac",
    )
    return replace(mistake, **changes)


def states() -> dict[str, CheckoutView]:
    """Every state of the page, named for its screenshot."""
    now = datetime.now(UTC)
    ago = now - timedelta(minutes=2)
    seen = {"deposits": (a_deposit(),)}
    paid = {**seen, "paid_at": ago, "credited_decimal": "5.000073", "confirmations_seen": 20}
    back = {"success_url": "https://shop.example/thanks", "fail_url": "https://shop.example/basket"}
    bitcoin_seen = (a_deposit(amount_decimal="0.00051234", asset="BTC"),)
    refund = Transfer(transaction_id="9d" * 32, amount_decimal="2", asset="USDT", reason="One shirt was out of stock")
    return {
        "awaiting": a_view(),
        "awaiting_test_mode": a_view(
            test_mode=True,
            merchant_name="Late Summer Records",
            asset="ETH",
            chain_name="Ethereum",
            token_standard="",
            amount_decimal="0.001234567890123456",
            cent_tail=0,
            address="0x52908400098527886E0F7030069857D2E4169EE7",
            payment_uri="ethereum:0x52908400098527886E0F7030069857D2E4169EE7@1?value=1234567890123456",
            fee_payer=FeePayer.CUSTOMER,
            service_fee_decimal="0.0000098",
            expires_at=now + timedelta(minutes=4, seconds=12),
        ),
        "described": a_view(description="Reparatur, ein neuer Sattel und zwei Mäntel für das blaue Rad; " * 6),
        "wallets": an_ether_view(),
        "wallets_sent": an_ether_view(announced=(a_deposit(transaction_id=f"0x{'3f' * 32}"),)),
        "awaiting_rest": a_view(
            accepts_parts=True,
            amount_decimal="3.000073",
            came_decimal="2",
            whole_decimal="5.000073",
            came_percent=39,
            deposits=(a_deposit(amount_decimal="1.5"), a_deposit(amount_decimal="0.5", transaction_id="b2" * 32)),
        ),
        "choice": a_priced_view(),
        "choice_of_many": a_view_of_many_ways(),
        "choice_without_rate": a_priced_view(
            ways_to_pay=tuple(replace(way, amount_decimal="") for way in a_priced_view().ways_to_pay)
        ),
        "quoted": a_quoted_view(),
        "quote_over": a_quoted_view(expires_at=now),
        "overfull": a_view(accepts_parts=True, came_decimal="5.000074", whole_decimal="5.000073", is_overfull=True),
        "time_up": a_view(expires_at=now),
        "bitcoin": a_bitcoin_view(),
        "bitcoin_replaced": a_bitcoin_view(gone=Gone.REPLACED, gone_transfers=bitcoin_seen),
        "bitcoin_dropped": a_bitcoin_view(gone=Gone.DROPPED, gone_transfers=bitcoin_seen),
        "bitcoin_dropped_expired": a_bitcoin_view(
            Status.EXPIRED, gone=Gone.DROPPED, gone_transfers=bitcoin_seen, expires_at=ago, **back
        ),
        "bitcoin_waits": a_bitcoin_view(Status.CONFIRMING, waits_for_block=True, deposits=bitcoin_seen),
        "confirming": a_view(Status.CONFIRMING, confirmations_seen=12, **seen),
        "confirming_delayed": a_view(
            Status.CONFIRMING,
            confirmations_seen=1,
            confirmations_required=3,
            block_time_ms=600_000,
            chain_name="Bitcoin",
            token_standard="",
            asset="BTC",
            network_delayed=True,
            **seen,
        ),
        "paid": a_view(Status.PAID, **paid, **back),
        "paid_twice": a_view(
            Status.PAID,
            anomaly=Anomaly.SECOND_TRANSFER,
            mistakes=(
                a_mistake(
                    Anomaly.SECOND_TRANSFER,
                    came_decimal="5.000073",
                    difference_decimal="",
                    return_state=ReturnState.GIVEN,
                    given_short="TQn9Y2…cbLSE",
                ),
            ),
            **{**paid, "deposits": (a_deposit(), a_deposit(transaction_id="b2" * 32))},
            **back,
        ),
        "expired": a_view(Status.EXPIRED, expires_at=ago, **back),
        "cancelled": a_view(Status.CANCELLED, **back),
        "manual_review": a_view(
            Status.MANUAL_REVIEW,
            anomaly=Anomaly.LESS,
            mistakes=(a_mistake(),),
            can_be_paid_in_review=True,
            deposits=(a_deposit(amount_decimal="4.9"),),
            review_takes=timedelta(hours=3),
            **back,
        ),
        "review_late": a_view(
            Status.MANUAL_REVIEW,
            anomaly=Anomaly.LATE,
            mistakes=(
                a_mistake(Anomaly.LATE, came_decimal="5.000073", difference_decimal="", due_at=now, came_at=now),
                a_mistake(
                    Anomaly.MORE,
                    came_decimal="50.00073",
                    difference_decimal="45.000657",
                    return_state=ReturnState.CONFIRMED,
                    given_short="TQn9Y2…cbLSE",
                ),
            ),
            expires_at=now,
            deposits=(a_deposit(), a_deposit(amount_decimal="50.00073", transaction_id="c3" * 32)),
        ),
        "review_cancelled": a_view(
            Status.MANUAL_REVIEW,
            anomaly=Anomaly.AFTER_CANCELLATION,
            mistakes=(
                a_mistake(
                    Anomaly.AFTER_CANCELLATION,
                    came_decimal="5.000073",
                    difference_decimal="",
                    return_state=ReturnState.REJECTED,
                    given_short="TQn9Y2…cbLSE",
                ),
            ),
            deposits=(a_deposit(),),
        ),
        "review_in_time": a_view(
            Status.MANUAL_REVIEW,
            anomaly=Anomaly.OTHER_ASSET,
            mistakes=(a_mistake(Anomaly.OTHER_ASSET, asset="ETH", came_decimal="0.02", difference_decimal=""),),
            deposits=(a_deposit(amount_decimal="0.02", asset="ETH"),),
            can_be_paid_in_review=True,
        ),
        "paid_too_much": a_view(
            Status.PAID,
            anomaly=Anomaly.MORE,
            mistakes=(
                a_mistake(
                    Anomaly.MORE,
                    came_decimal="7.500073",
                    difference_decimal="2.5",
                    is_returning=True,
                    return_state=ReturnState.NOT_ASKED,
                ),
            ),
            **{**paid, "deposits": (a_deposit(amount_decimal="7.500073"),)},
            **back,
        ),
        "closed": a_view(Status.CLOSED, **seen, **back),
        "returned": a_view(
            Status.CLOSED, **seen, **back, refunds=(replace(refund, amount_decimal="4.9", is_final=False, reason=""),)
        ),
        "branded": a_view(
            merchant_name="Nordlicht Fahrräder",
            description="Reparatur und neuer Sattel",
            brand_css_url="/pay/branded/brand.css",
            logo_url="/pay/branded/logo",
            wallet_url="/pay/branded/wallet",
            wallet_has_other_token=True,
        ),
        "framed": a_view(frame_origins=("https://shop.example",)),
        "framed_paid": a_view(Status.PAID, frame_origins=("https://shop.example",), **paid, **back),
        "paid_price": a_quoted_view(
            status=Status.PAID,
            deposits=(a_deposit(amount_decimal="0.00097461", asset="BTC"),),
            paid_at=ago,
            credited_decimal="0.00097461",
            **back,
        ),
        "partially_refunded": a_view(Status.PARTIALLY_REFUNDED, refunds=(refund,), **paid, **back),
        "refunded": a_view(
            Status.REFUNDED, refunds=(replace(refund, amount_decimal="4.960073", reason=""),), **paid, **back
        ),
    }


ACCENT = "#e4572e"
LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 44 44"><circle cx="22" cy="22" r="20" fill="#e4572e"/></svg>'
)
"""An SVG, for sharp screenshots; the app itself accepts no SVG as a logo."""


WORDIEST = (
    "awaiting_test_mode",
    "wallets_sent",
    "branded",
    "confirming_delayed",
    "bitcoin_waits",
    "bitcoin_replaced",
    "bitcoin_dropped",
    "paid_twice",
    "manual_review",
    "review_late",
    "review_cancelled",
    "expired",
    "review_in_time",
    "awaiting_rest",
    "described",
    "choice_of_many",
    "quoted",
    "quote_over",
    "refunded",
)
"""States with the most text, or with unique parts: these are checked in every language."""

SHOWN_WHOLE = ("de", "ar", "zh-Hans")
"""Languages with long words, from right to left, and in a script of wide letters."""

ERRORS = (404, 429, 500, 503)

TWIN = "0x52908400098527886E0F7030069857D2E4169EE7"
FINDINGS: dict[str, Finding] = {
    "waiting": Finding(verdict=Verdict.WAITING, network="bitcoin:test", fee_rate_raw=1_200, usual_fee_rate_raw=14_500),
    "confirming": Finding(verdict=Verdict.CONFIRMING, network="tron:test", confirmations=7, confirmations_required=20),
    "short": Finding(
        verdict=Verdict.PAID_SHORT,
        network="tron:test",
        asset="USDT",
        amount_raw=4_900_000,
        confirmations=7,
        confirmations_required=20,
    ),
    "lookalike": Finding(verdict=Verdict.LOOKALIKE_TOKEN, network="ethereum:test", token="USD₮", contract=TWIN),
    "other_network": Finding(verdict=Verdict.OTHER_NETWORK, network="ethereum:test", expected_network="tron:test"),
    "replaced": Finding(verdict=Verdict.REPLACED, network="bitcoin:test", replaced_by=DEPOSIT_ID),
    "elsewhere": Finding(verdict=Verdict.ELSEWHERE, network="tron:test"),
    "unknown": Finding(verdict=Verdict.UNKNOWN, network="tron:test"),
    "paid": Finding(verdict=Verdict.PAID, network="tron:test", asset="USDT", amount_raw=5_000_073, from_books=True),
}
"""Answers to the question where a transaction is, by what the pictures' pages ask for."""

WORDY_FINDINGS = ("lookalike", "other_network", "waiting")
NETWORKS = Networks(
    {
        each.key: each
        for each in (
            evm_network(["http://127.0.0.1:1"], TWIN),
            bitcoin_network(["http://127.0.0.1:1"]),
            tron_network(["http://127.0.0.1:1"], explorer_tx_url="https://tronscan.org/#/transaction/{txid}"),
        )
    }
)


def told_of(view: CheckoutView, asked: str, language: Language) -> dict[str, Any]:
    """What the page says of a transaction: one of `FINDINGS` by its name, that it is no id, or nothing."""
    if asked in FINDINGS:
        told = lookup.tell(FINDINGS[asked], DEPOSIT_ID, view, NETWORKS, language)
        return {"told": told, "asked": DEPOSIT_ID, "error": ""}
    return {"told": None, "asked": asked, "error": lookup.refusal(language) if asked else ""}


class Site:
    """A server on loopback. Set `views[name]`, open `url(name)`; `tell(name)` is a status event."""

    def __init__(self) -> None:
        self.views: dict[str, CheckoutView] = {}
        self.streams_open = True
        self.reachable = True
        self.pages: list[str] = []
        self._listeners: list[tuple[str, queue.Queue[str]]] = []
        self._pages = Pages()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):  # the page was left before its answer came
                    site._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        """The page of the invoice called `name`."""
        return f"http://127.0.0.1:{self._server.server_port}/pay/{name}"

    def error_url(self, status: int, language: str = "en") -> str:
        """The error page of `status`."""
        return f"http://127.0.0.1:{self._server.server_port}/errors/{status}.html?lang={language}"

    def put(self, name: str, view: CheckoutView, language: str = "en") -> str:
        """Makes `view` the invoice called `name`; returns its page's URL."""
        page = f"/pay/{name}"
        spoken = f"?lang={language}"
        self.views[name] = replace(
            view,
            page_url=page + spoken,
            status_url=f"{page}/status{spoken}",
            events_url=f"{page}/events",
            receipt_url=f"{page}/receipt{spoken}",
            lookup_url=view.lookup_url and f"{page}/transaction",
            brand_css_url=view.brand_css_url and f"{page}/brand.css",
            logo_url=view.logo_url and f"{page}/logo",
            link_code_url=f"{page}/link.svg",
        )
        return self.url(name) if language == "en" else self.url(name) + spoken

    def tell(self, name: str) -> None:
        """Sends every open page of `name` a status event."""
        for listening_to, events in self._listeners:
            if listening_to == name:
                events.put("event: changed\ndata: invoice\n\n")

    def bring(self, name: str) -> None:
        """Sends every open page of `name` its live part as it is now, in a status event."""
        view = replace(self.views[name], now=datetime.now(UTC))
        part = layout.live_part(self._pages, view, ENGLISH)
        for listening_to, events in self._listeners:
            if listening_to == name:
                events.put(contents.event(part).decode())

    def listeners(self, name: str) -> int:
        """How many pages of `name` have their event stream open."""
        return sum(listening_to == name for listening_to, _ in self._listeners)

    def close(self) -> None:
        """Ends streams and server."""
        for _, events in self._listeners:
            events.put("")
        self._server.shutdown()
        self._server.server_close()

    def render(self, template: str, language: Language = ENGLISH, **context: Any) -> bytes:
        """The rendered template, as bytes of the response."""
        return self._pages.render(template, context, language).encode()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        language = languages.choose(parse_qs(query).get("lang", [None])[0], "")
        if path.startswith("/static/"):
            file = ROOT / path.lstrip("/")
            return self._send(request, 200, file.read_bytes(), TYPES[file.suffix])
        if path.startswith("/errors/"):
            return self._send(request, 200, self.render(path.lstrip("/"), language, request_id="01J8"), "text/html")
        _, _, name, *rest = path.split("/")
        if name not in self.views or (rest and not self.reachable):
            return self._send(request, 503, b"", "text/plain")
        view = replace(self.views[name], now=datetime.now(UTC))
        if rest == ["events"]:
            return self._stream(request, name)
        if rest == ["brand.css"]:
            return self._send(request, 200, brand.style_sheet(ACCENT).encode(), "text/css")
        if rest == ["link.svg"]:
            return self._send(request, 200, qr_image(view.payment_uri), "image/svg+xml")
        if rest == ["logo"]:
            return self._send(request, 200, LOGO, "image/svg+xml")
        if not rest:
            self.pages.append(name)
        if rest == ["transaction"]:
            asked = parse_qs(query).get("txid", [""])[0]
            context = {"view": view, **told_of(view, asked, language)}
            return self._send(request, 200, self.render("checkout/transaction.html", language, **context), "text/html")
        if rest and rest[0] == "return":
            body = self.render("checkout/return.html", language, **return_context(view, rest[1], language))
            return self._send(request, 200, body, "text/html")
        if rest == ["receipt"]:
            body = self.render("checkout/receipt.html", language, **receipt_context(view, language))
        else:
            made = layout.live_part if rest == ["status"] else layout.page
            body = made(self._pages, view, language)
        self._send(request, 200, body, "text/html")

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text") else kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Security-Policy", CSP)
        request.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        request.send_header("X-Content-Type-Options", "nosniff")
        request.send_header("Referrer-Policy", "no-referrer")
        request.end_headers()
        request.wfile.write(body)

    def _stream(self, request: BaseHTTPRequestHandler, name: str) -> None:
        if not self.streams_open:
            return self._send(request, 503, b"", "text/plain")
        listener = (name, queue.Queue[str]())
        self._listeners.append(listener)  # before its page hears of the stream
        try:
            request.send_response(200)
            request.send_header("Content-Type", "text/event-stream")
            request.send_header("Connection", "close")
            request.end_headers()
            request.wfile.write(b"event: following\ndata:\n\n")
            request.wfile.flush()
            while message := listener[1].get(timeout=60):
                request.wfile.write(message.encode())
                request.wfile.flush()
        except (OSError, queue.Empty):
            pass
        finally:
            self._listeners.remove(listener)
            request.close_connection = True


RETURN_STATES = (*ReturnState, "error", "returning", "over")
"""What the page of a return address may show."""


def return_context(view: CheckoutView, state: str, language: Language) -> dict[str, Any]:
    """The context of the page that asks where a transfer should be sent back to, in one of RETURN_STATES."""
    is_asked = state in ("error", "returning", "over")
    mistake = a_mistake(return_state=ReturnState.ASKED if is_asked else ReturnState(state), given_short="TQn9Y2…cbLSE")
    if state == "returning":
        mistake = replace(mistake, is_returning=True, return_state=ReturnState.NOT_ASKED)
    error, entered = "", ""
    if state == "error":
        entered = "0x52908400098527886E0F7030069857D2E4169EE7"
        error = say_problem(Problem.OTHER_NETWORK, entered, "Tron", language)
    return returning.page_context(
        view, None if state == "over" else mistake, "Tron", "/pay/a/return/x", language, entered=entered, error=error
    )


def pictured(site: Site) -> list[tuple[str, str]]:
    """Name and URL of every page for screenshots: each state in English, those with the most text in the languages of
    `SHOWN_WHOLE`, and one in each of the others."""
    found: list[tuple[str, str]] = []
    for language in languages.every():
        code = language.code
        names = WORDIEST if code in SHOWN_WHOLE else ("awaiting_test_mode",)
        chosen = states() if code == "en" else {name: states()[name] for name in names}
        found += [(f"checkout-{name}-{code}", site.put(f"{name}-{code}", view, code)) for name, view in chosen.items()]
        if code not in {"en", *SHOWN_WHOLE}:
            continue
        asked = f"{site.url('confirming_delayed-' + code)}/transaction?lang={code}"
        named = [*FINDINGS, "no id"] if code == "en" else WORDY_FINDINGS
        found += [(f"lookup-{name.replace(' ', '-')}-{code}", f"{asked}&txid={name}") for name in named]
        found += [
            (f"return-{state}-{code}", f"{site.url(f'manual_review-{code}')}/return/{state}?lang={code}")
            for state in RETURN_STATES
        ]
        found.append((f"receipt-{code}", f"{site.url(f'refunded-{code}')}/receipt?lang={code}"))
        found += [(f"error-{status}-{code}", site.error_url(status, code)) for status in ERRORS]
    return found
