"""A queue of cases (approvals or reviews) as its operator has filtered it: the filters in the URL of each case, so that
each decision leads on to the next case of the same queue.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from app.backoffice.case_filters import CaseFilters
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.identity.paging import AsKey, address
from app.operator import lists
from app.operator.labels import VERDICTS
from app.wiring import Services

KINDS = (("payout", "Payouts"), ("refund", "Refunds"))

ENDS = (("confirmed", "Confirmed"), ("rejected", "Rejected"), ("failed", "Failed"), ("cancelled", "Cancelled"))
"""The states in which a payout or refund has ended."""

AGES: Mapping[str, tuple[str, timedelta]] = MappingProxyType(
    {
        "1h": ("An hour", timedelta(hours=1)),
        "4h": ("Four hours", timedelta(hours=4)),
        "1d": ("A day", timedelta(days=1)),
        "3d": ("Three days", timedelta(days=3)),
        "7d": ("A week", timedelta(days=7)),
    }
)
"""How long a case has waited at least."""

APPROVALS_OF_WHOM = (
    ("mine", "I may decide"),
    ("second", "Need a second approval"),
    ("not_mine", "Others must decide"),
)
REVIEWS_OF_WHOM = (("mine", "I may decide"), ("not_mine", "Others must decide, or not yet"))

UNDECIDED_VERDICTS = ("underpaid", "overpaid", "late", "cancelled", "second", "wrong_asset", "in_review", "unknown")
"""The verdicts that a deposit in review may have."""


class CaseQueue(msgspec.Struct, frozen=True):
    """The list at `path` with the filters that have a value, as they stand in the URL."""

    path: str
    given: Mapping[str, str]
    filters: CaseFilters

    @property
    def url(self) -> str:
        """The list with its filters."""
        return address(self.path, self.given)

    def case(self, case_id: str, verb: str = "") -> str:
        """A case of the queue, or one of its forms, with the filters."""
        return address(f"{self.path}/{case_id}{'/' if verb else ''}{verb}", self.given)

    def with_filters(self, path: str) -> str:
        """Any page below the desk, with the filters, so that it leads back into this queue."""
        return address(path, self.given)

    def onward(self, next_id: str | None) -> str:
        """Where a decision leads: the next case, or the list where no other one waits."""
        return self.url if next_id is None else self.case(next_id)

    def pages(self, request: PageRequest, key: AsKey, **tab: str) -> ListQuery:
        """The query of the list; `tab` chooses which one. Raises INVALID_INPUT for a place that is not valid."""
        return lists.list_query(request, key, tab, **self.given)


def approvals_queue(request: PageRequest, now: datetime) -> CaseQueue:
    """The queue of approvals that a URL names. Raises NOT_FOUND for values that no page links to."""
    given = _given(request, [value for value, _ in APPROVALS_OF_WHOM])
    given["kind"] = lists.choice(request, "kind", [value for value, _ in KINDS])
    return _queue("/desk/approvals", given, now)


def reviews_queue(request: PageRequest, now: datetime) -> CaseQueue:
    """The queue of reviews that a URL names. Raises NOT_FOUND for values that no page links to."""
    given = _given(request, [value for value, _ in REVIEWS_OF_WHOM])
    given["verdict"] = lists.choice(request, "verdict", UNDECIDED_VERDICTS)
    return _queue("/desk/reviews", given, now)


def decided_queue(request: PageRequest, now: datetime) -> CaseQueue:
    """Payouts and refunds that have ended, as a URL filters them. Raises NOT_FOUND for values that no page links to."""
    given = {
        "kind": lists.choice(request, "kind", [value for value, _ in KINDS]),
        "status": lists.choice(request, "status", [value for value, _ in ENDS]),
        **_of_money(request),
    }
    return _queue("/desk/approvals", given, now)


def holds_queue(request: PageRequest, now: datetime) -> CaseQueue:
    """What is on hold, as a URL filters it."""
    return _queue("/desk/holds", _of_money(request), now)


def asset_choices(services: Services) -> list[tuple[str, str]]:
    """Value and label of each asset, for a filter: symbols that several networks have come once."""
    symbols = {asset.symbol for network in services.networks for asset in network.assets}
    return [(symbol, symbol) for symbol in sorted(symbols)]


def network_choices(services: Services) -> list[tuple[str, str]]:
    """Value and label of each network, for a filter: live ones first."""
    ordered = sorted(services.networks, key=lambda network: (network.mode, network.chain))
    return [(network.key, network.title) for network in ordered]


def money_choices(services: Services) -> dict[str, Sequence[tuple[str, str]]]:
    """The choices of filters by network and asset."""
    return {"network": network_choices(services), "asset": asset_choices(services)}


def age_choices() -> list[tuple[str, str]]:
    """Value and label of each age, for a filter."""
    return [(value, words) for value, (words, _) in AGES.items()]


def verdict_choices() -> list[tuple[str, str]]:
    """Value and label of each verdict that a deposit in review may have."""
    return [(verdict, VERDICTS[verdict]) for verdict in UNDECIDED_VERDICTS]


def _of_money(request: PageRequest) -> dict[str, str]:
    return {
        "network": lists.text(request, "network", 60),
        "asset": lists.text(request, "asset", 20),
        "merchant": lists.text(request, "merchant"),
    }


def _given(request: PageRequest, of_whom: list[str]) -> dict[str, str]:
    return {
        **_of_money(request),
        "age": lists.choice(request, "age", AGES),
        "who": lists.choice(request, "who", of_whom),
    }


def _queue(path: str, given: dict[str, str], now: datetime) -> CaseQueue:
    kept = {name: value for name, value in given.items() if value}
    return CaseQueue(
        path,
        kept,
        CaseFilters(
            kind=kept.get("kind"),
            verdict=kept.get("verdict"),
            status=kept.get("status"),
            network=kept.get("network"),
            asset=kept.get("asset"),
            merchant=kept.get("merchant"),
            before=now - AGES[kept["age"]][1] if "age" in kept else None,
            who=kept.get("who"),
        ),
    )
