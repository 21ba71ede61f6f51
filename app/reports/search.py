"""One search over everything of a merchant in a mode, and what it looked at in words.

What a text means is decided here: which addresses, amounts and hashes it stands for. The lists of invoices, payouts and
refunds take the same `Search` as a filter, so a list and the search find the same.
"""

from collections.abc import Callable, Iterable

import msgspec

from app.api_keys import repository as api_keys
from app.api_keys.repository import Key
from app.core import currencies, search_text
from app.core.errors import ApiError
from app.core.money import parse_amount
from app.core.search_text import LEAST_PART, LEAST_START, SearchText
from app.core.searching import NEWEST, Search
from app.events import repository as events
from app.events.repository import EventView
from app.invoices.presentation import InvoiceBody
from app.invoices.reader import InvoiceReader
from app.invoices.reading_repository import Filters as InvoiceFilters
from app.merchants.terms import Mode
from app.networks.config import NetworkConfig
from app.networks.recognition import recognise
from app.networks.registry import Networks
from app.webhooks import endpoints_repository
from app.webhooks.endpoints_repository import EndpointView
from app.withdrawals.presentation import PayoutBody, RefundBody
from app.withdrawals.presented_repository import Filters as WithdrawalFilters
from app.withdrawals.reader import WithdrawalReader

EmailHash = Callable[[str], bytes]

MOST_ENDPOINTS = 100

_KINDS = {"INV": "an invoice", "PO": "a payout", "RF": "a refund", "DEP": "a deposit", "QT": "a quote"}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Where is looked: one merchant in one mode, and which kinds of things the member may see."""

    merchant_id: str
    mode: Mode
    payouts: bool = False
    events: bool = False
    endpoints: bool = False
    keys: bool = False


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, newest first, at most the asked number of each."""

    invoices: list[InvoiceBody]
    payouts: list[PayoutBody]
    refunds: list[RefundBody]
    events: list[EventView]
    endpoints: list[EndpointView]
    keys: list[Key]

    @property
    def count(self) -> int:
        """How many things these are together."""
        of_money = len(self.invoices) + len(self.payouts) + len(self.refunds)
        return of_money + len(self.events) + len(self.endpoints) + len(self.keys)


def wanted(text: str, networks: Networks, mode: Mode | None, email_hash_of: EmailHash) -> Search:
    """What a text stands for in a mode; in every mode where it is None. `email_hash_of` hashes an address of email as
    the creation of invoices does."""
    read = search_text.read(text)
    of_mode = [network for network in networks if mode is None or network.mode == mode]
    return Search(
        text=read,
        addresses=[form.lower() for form in networks.address_forms(read.text)] if recognise(read.text) else (),
        amounts=list(_amounts(read, of_mode)),
        email_hash=None if read.email is None else email_hash_of(read.email),
    )


def _amounts(read: SearchText, of_mode: Iterable[NetworkConfig]) -> Iterable[tuple[str, str]]:
    """The amounts in minor units that a number may mean: of each asset and each currency whose name begins as its
    unit does."""
    if read.amount is None:
        return
    for network in of_mode:
        for asset in network.assets:
            if asset.symbol.startswith(read.unit) and (raw := _raw(read.amount, asset.decimals)) is not None:
                yield f"{network.key} {asset.symbol}", str(raw)
    for currency in currencies.known():
        if currency.startswith(read.unit) and (raw := _raw(read.amount, currencies.places(currency))) is not None:
            yield currency, str(raw)


def _raw(amount: str, decimals: int) -> int | None:
    try:
        return parse_amount(amount, decimals)
    except ApiError:
        return None


async def search(
    invoices: InvoiceReader, withdrawals: WithdrawalReader, scope: Scope, search: Search, *, limit: int
) -> Findings:
    """Everything in a scope that matches, at most `limit` of each kind."""
    merchant_id, mode = scope.merchant_id, scope.mode
    of_withdrawals = WithdrawalFilters(search=search)
    event_ids = search.text.event_ids if scope.events else None
    return Findings(
        invoices=await invoices.page(merchant_id, mode, InvoiceFilters(search=search), None, limit),
        payouts=await withdrawals.payouts(merchant_id, mode, of_withdrawals, None, limit) if scope.payouts else [],
        refunds=await withdrawals.refunds(merchant_id, mode, of_withdrawals, None, limit),
        events=[] if event_ids is None else list(await events.find_between(merchant_id, mode, *event_ids, limit=limit)),
        endpoints=await _endpoints(scope, search.text, limit),
        keys=await _keys(scope, search.text, limit),
    )


async def _endpoints(scope: Scope, text: SearchText, limit: int) -> list[EndpointView]:
    if not scope.endpoints or not text.has_part:
        return []
    every = await endpoints_repository.list_endpoints(
        scope.merchant_id, scope.mode, implicit=False, limit=MOST_ENDPOINTS
    )
    return [one for one in every if text.lower in one.url.lower() or text.text.upper() == one.id][:limit]


async def _keys(scope: Scope, text: SearchText, limit: int) -> list[Key]:
    if not scope.keys or len(text.lower) < LEAST_START:
        return []
    every = await api_keys.list_keys(scope.merchant_id, scope.mode)
    return [one for one in every if text.lower in one.name.lower() or text.lower in one.id.lower()][:limit]


def looks_like(search: Search) -> str:
    """What the text looks like, in a sentence; "" where nothing is known of it."""
    text = search.text
    if "@" in text.text:
        if text.email is None:
            return "Email addresses are kept as a hash: search by the whole address, such as name@example.com."
        return (
            "This looks like an email address. Customers’ addresses are kept as a hash, so only a whole one is found."
        )
    if text.is_txid:
        return "This looks like the id of a transaction."
    if (words := recognise(text.text)) is not None:
        return f"This looks like {words}."
    if text.id_kind in _KINDS and text.id_part is not None:
        return f"This looks like the id of {_KINDS[text.id_kind]}: {text.id_kind}-{text.id_part}."
    if text.amount is not None and text.unit:
        return f"This looks like an amount: {text.amount} {text.unit}."
    return ""


def looked_at(search: Search, mode: Mode) -> str:
    """What the search looked at, in a sentence."""
    text = search.text
    if "@" in text.text:
        return f"Looked at customers’ email addresses of {mode} mode."
    if len(text.lower) < LEAST_START:
        return f"Type {LEAST_START} characters at least."
    places = f"Looked at ids, orders, customers, addresses, transactions and amounts of {mode} mode"
    if not text.has_part:
        return f"{places}, at their beginnings. From {LEAST_PART} characters on, parts are found too."
    return f"{places}; for what stands in the middle, and in descriptions, at the newest {NEWEST:,} invoices."
