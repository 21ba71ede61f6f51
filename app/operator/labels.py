"""How the desk shows amounts, networks, addresses, people and states. Templates get one as `labels`."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from markupsafe import Markup

from app.backoffice.names import Name
from app.core.money import format_amount, group_digits
from app.core.newer import plain
from app.networks.config import NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.operator import words
from app.web.figures import figure
from app.withdrawals.conflicts import Conflict

Tone = Literal["neutral", "progress", "positive", "caution", "critical"]

GROUP = 4
"""Characters in one group of an address or hash."""

NOBODY: Mapping[str, Name] = MappingProxyType({})

VERDICTS = MappingProxyType(
    {
        "exact": "The exact amount",
        "part": "A part of the amount",
        "dust": "Dust",
        "underpaid": "Too little",
        "overpaid": "Too much",
        "late": "Late",
        "cancelled": "After cancellation",
        "second": "A second transfer",
        "wrong_asset": "Another asset",
        "in_review": "While another was in review",
        "unknown": "No invoice",
    }
)
"""How a deposit in review compares with its invoice (deposits/matching.py)."""

DEPOSIT_STATES = MappingProxyType(
    {
        "seen": "Seen, not final yet",
        "orphaned": "In no block and no pool any more",
        "suspended": "In suspense",
        "credited": "Credited",
    }
)
"""The labels of a deposit's statuses (deposits/tables.py)."""

CONFLICTS: Mapping[Conflict, str] = MappingProxyType(
    {"asked": "You requested it", "holds_key": "You know its key", "member": "Your own merchant"}
)
"""Why the operator who reads the list may not approve a withdrawal."""

CONFLICTS_OF_OTHERS: Mapping[Conflict, str] = MappingProxyType(
    {"asked": "requested it", "holds_key": "knows the key that did", "member": "belongs to the merchant"}
)
"""Why another operator may not approve it."""

TONES: Mapping[str, Tone] = MappingProxyType(
    {
        "pending": "caution",
        "pending_approval": "caution",
        "open": "caution",
        "requested": "progress",
        "running": "progress",
        "approved": "positive",
        "submitted": "progress",
        "returning": "progress",
        "confirmed": "positive",
        "credited": "positive",
        "clean": "positive",
        "booked": "positive",
        "returned": "neutral",
        "closed": "neutral",
        "cancelled": "neutral",
        "rejected": "critical",
        "failed": "critical",
        "drift": "critical",
        "critical": "critical",
        "banned": "critical",
        "suspended": "caution",
        "incomplete": "caution",
        "warning": "caution",
        "info": "neutral",
    }
)
"""The tone of each state. A state that is not listed is neutral."""


_NOBODY_ELSE = MappingProxyType(
    {"gateway": "The gateway", "system": "The gateway", "cli": "The command line", "customer": "The customer"}
)
"""What acts without a name of its own."""


class Labels:
    """The labels of one request. `names` has the people and keys that the page names, by actor."""

    def __init__(self, networks: Networks, names: Mapping[str, Name] = NOBODY) -> None:
        self._networks = networks
        self._names = names

    def amount(self, network: str, asset: str, raw: int) -> Markup:
        """The decimal form with its asset, for a page. Minor units where the networks file no longer has the asset."""
        return Markup("{} {}").format(self.figure(network, asset, raw), asset)

    def figure(self, network: str, asset: str, raw: int) -> Markup:
        """The decimal form without its asset, for a page."""
        decimals = self.decimals(network, asset)
        if decimals is None:
            return Markup("{} minor units of").format(figure(raw))
        return figure(format_amount(raw, decimals))

    def amount_in_text(self, network: str, asset: str, raw: int) -> str:
        """The decimal form with its asset, for a sentence without markup."""
        decimals = self.decimals(network, asset)
        if decimals is None:
            return f"{group_digits(raw)} minor units of {asset}"
        return f"{group_digits(format_amount(raw, decimals))} {asset}"

    def decimals(self, network: str, asset: str) -> int | None:
        """The places of an asset, None for one that the networks file does not have."""
        config = self.config(network)
        found = None if config is None else config.asset(asset)
        return None if found is None else found.decimals

    def config(self, network: str) -> NetworkConfig | None:
        """A network's configuration, None for one that the file does not have any more."""
        try:
            return self._networks.get(network)
        except UnknownNetwork:
            return None

    def network(self, key: str) -> str:
        """`Ethereum` for a live network, `Ethereum test` for the test network."""
        config = self.config(key)
        return key if config is None else config.title

    def explorer(self, network: str, txid: str) -> str | None:
        """A transaction's page at a block explorer, where the network has one."""
        config = self.config(network)
        return None if config is None else config.explorer_url(txid)

    def who(self, actor: str | None) -> str:
        """The name of a person or key, or of what acts by itself; else the actor as the database has it."""
        if actor is None:
            return ""
        if actor in _NOBODY_ELSE:
            return _NOBODY_ELSE[actor]
        if actor in self._names:
            return self._names[actor].name
        return f"API key {actor.removeprefix('api_key:')}" if actor.startswith("api_key:") else actor

    def who_exactly(self, actor: str | None) -> str:
        """What distinguishes equal names; empty for an actor without a name."""
        found = None if actor is None else self._names.get(actor)
        return "" if found is None else found.detail

    def deposit_state(self, status: str) -> str:
        """The label of a deposit's status."""
        return DEPOSIT_STATES.get(status, status)

    def details(self, values: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Names and values of the details of an action or alert; asset, network and amount become one value."""
        shown, left = [], dict(values)
        if {"network", "asset", "amount_raw"} <= left.keys():
            network, asset, raw = left.pop("network"), left.pop("asset"), left.pop("amount_raw")
            shown.append(("amount", f"{self.amount_in_text(network, asset, int(raw))} on {self.network(network)}"))
        if "verdict" in left:
            left["verdict"] = self.verdict(left["verdict"])
        return shown + [(name.replace("_", " "), _text(value)) for name, value in left.items() if value is not None]

    def verdict(self, verdict: str) -> str:
        """The label of how a deposit compares with its invoice."""
        return VERDICTS.get(verdict, verdict)

    def tone(self, state: str) -> Tone:
        """The tone of a state."""
        return TONES.get(state, "neutral")

    @staticmethod
    def state(state: str) -> str:
        """A state in words: `pending_approval` is `Awaiting approval`."""
        return words.state(state)

    @staticmethod
    def outcome(review: Any) -> str:
        """The state of a review in words: how it ended, else where it is."""
        return words.state(review.status if review.status == "returning" else review.outcome or review.status)

    @staticmethod
    def plain(name: str) -> str:
        """A kind or the name of a check as words."""
        return plain(name)

    @staticmethod
    def action(action: str, subject: str) -> str:
        """What was done, in words."""
        return words.action(action, subject)

    @staticmethod
    def page_of(subject: str) -> str:
        """The page of what an action was about; empty where it has none."""
        return words.page_of(subject)

    @staticmethod
    def conflict(conflict: Conflict) -> str:
        """Why the operator who reads the page may not approve a withdrawal."""
        return CONFLICTS[conflict]

    @staticmethod
    def conflict_of_other(conflict: Conflict) -> str:
        """Why another operator may not approve a withdrawal."""
        return CONFLICTS_OF_OTHERS[conflict]

    @staticmethod
    def sentence(reason: str) -> str:
        """A service's reason as a sentence of its own: `it is on hold` is `It is on hold.`"""
        return f"{reason[:1].upper()}{reason[1:]}."

    def owner(self, owner: str) -> str:
        """The owner of a ledger: `platform:suspense` is `Platform suspense`."""
        return owner.replace(":", " ").capitalize() if owner.startswith("platform:") else owner

    @staticmethod
    def groups(text: str) -> Sequence[str]:
        """An address or hash in groups for comparing by eye, a leading `0x` by itself."""
        head, rest = ("0x", text[2:]) if text.startswith("0x") else ("", text)
        found = [rest[start : start + GROUP] for start in range(0, len(rest), GROUP)]
        return [head, *found] if head else found

    @staticmethod
    def short(text: str) -> str:
        """An address or hash by its ends, for lists: pages with a decision show the whole form too."""
        return text if len(text) <= 2 + 3 * GROUP else f"{text[: 2 + GROUP]}…{text[-GROUP:]}"

    @staticmethod
    def percent(bps: int) -> str:
        """Basis points as a percentage: 80 is `0.8 %`."""
        whole, rest = divmod(bps, 100)
        return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %"


def _text(value: Any) -> str:
    """A value of an action's details, as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(
            f"{name.replace('_', ' ')} {_text(inner)}" for name, inner in value.items() if inner is not None
        )
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value)
    return str(value)
