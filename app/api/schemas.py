"""The schemas of bodies, answers and events under the names that integrators see.

Generators make a class of each schema, so each has one name, a noun of the domain, whatever its struct is called in its
module. An enumeration, and an object of free form, is named where it is declared, by the `title` of its
`Meta` (or of the parameter's schema), and becomes a schema of its own.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from litestar.exceptions import ImproperlyConfiguredException

PREFIX = "#/components/schemas/"

_PUBLIC_NAMES = {
    "Entry": "LedgerEntry",
    "Reference": "LedgerReference",
    "app.invoices.states.Status": "InvoiceStatus",
    "app.withdrawals.states.Status": "WithdrawalStatus",
    "Verdict": "TransactionVerdict",
    "RateBody": "AssetRate",
    "TransferBody": "TransactionTransfer",
    "LinkStatus": "PaymentLinkStatus",
}
"""Public names of schemas whose class name is clear only inside its module. The suffix `Body` is removed as well."""

_NAME = re.compile(r"[A-Z][A-Za-z]+")

_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "DeliveryStatus": "Where the delivery of an event is. `dead`: every attempt failed; it can be sent again.",
        "DepositStatus": "Where a deposit is. `seen`: on the chain or waiting for a block. `credited`: final and "
        "booked. `orphaned`: its block was reorganised away. `replaced`: another transaction took its place before a "
        "block had it. `dropped`: the nodes have forgotten it. `suspended`: an operator looks into it.",
        "DepositVerdict": "What a deposit is to its invoice. `exact` pays it, `part` waits for the rest, `dust` is too "
        "small to mean anything. Every other one needs a review.",
        "EventData": "The object that an event is about, as the API showed it when it happened.",
        "InvoiceEventType": "What happened to an invoice.",
        "PayoutEventType": "What happened to a payout.",
        "RefundEventType": "What happened to a refund.",
        "FeePayer": "Who pays the service fee. `merchant`: out of the amount. `customer`: on top of it.",
        "InvoiceStatus": "An invoice's progress. `needs_review` shows an anomaly beside it.",
        "Metadata": "A JSON object of your own, at most 4 KiB. It comes back as it was sent.",
        "Mode": "`test` has test networks and test resources, `live` the real ones.",
        "QuoteState": "`open`: it can be paid. `used`: a payment has come for it. `ended`: it was not paid in time.",
        "ReviewOutcome": "How a review ended.",
        "ReviewStatus": "`open` waits for an operator; `returning` until the return is confirmed on chain.",
        "WebhookStatus": "While an endpoint is paused, its deliveries wait; disabled, there are none.",
        "WebhookStatusReason": "Why an endpoint is not enabled: twenty failures in a row (`failures`), an answer of "
        "410 (`gone`), or your own request (`merchant`).",
        "WithdrawalStatus": "The progress of a payout or a refund.",
    }
)
"""What each enumeration and free object is; their fields say what it is there."""


_GROWING = frozenset(
    {
        "DepositStatus",
        "DepositVerdict",
        "PaymentLinkStatus",
        "QuoteState",
        "ReviewOutcome",
        "ReviewStatus",
        "TransactionVerdict",
        "WebhookStatusReason",
    }
)
"""Enumerations of answers that may get more values (docs/versions.md): text, with the values of today in
`x-extensible-enum`. Generated clients would refuse a new value of a closed one, or of what is a class of theirs."""


class Schemas:
    """The document's `components/schemas`, which grow while its operations are written."""

    def __init__(self, types: Sequence[Any]) -> None:
        """Those of the structs `types` and of all that they hold."""
        _, components = msgspec.json.schema_components(types, ref_template=f"{PREFIX}{{name}}")
        by_name = {_public_name(name): schema for name, schema in components.items()}
        self._named: dict[str, Any] = {}
        self._growing = {name: _growing(name, schema) for name, schema in by_name.items() if name in _GROWING}
        for name, schema in by_name.items():
            if name not in _GROWING:
                self._add(name, self.named(schema | {"title": name}, is_component=True))

    def field(self, type: Any, name: str) -> dict[str, Any]:
        """The schema of a field of a struct, to be added to."""
        field: dict[str, Any] = self._named[_public_name(type.__name__)]["properties"][name]
        return field

    def open(self, *types: Any) -> None:
        """Say of these structs that they may have more fields than theirs: some tools take every schema as closed."""
        for type in types:
            self._named[_public_name(type.__name__)]["unevaluatedProperties"] = True

    def all(self) -> dict[str, Any]:
        """Every schema by its name, in alphabetical order."""
        return dict(sorted(self._named.items()))

    def named(self, schema: Any, *, is_component: bool = False) -> Any:
        """The schema with references under public names, and to a component in place of each enumeration and free
        object. Raises ImproperlyConfiguredException for one without a `title`."""
        if isinstance(schema, list):
            return [self.named(each) for each in schema]
        if not isinstance(schema, Mapping):
            return schema
        if "$ref" in schema:
            name = _public_name(schema["$ref"].removeprefix(PREFIX))
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            return self._growing[name] | beside if name in _GROWING else {"$ref": PREFIX + name, **beside}
        if not is_component and ("enum" in schema or (schema.get("type") == "object" and "properties" not in schema)):
            return self._hoisted(schema)
        named = {key: self.named(value) for key, value in schema.items() if key != "properties"}
        if "properties" in schema:
            named["properties"] = {name: self.named(field) for name, field in schema["properties"].items()}
        return _typed(named) if "enum" in named else named

    def _hoisted(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if len(schema.get("enum", ())) == 1:
            return _typed({**schema})
        if "title" not in schema:
            raise ImproperlyConfiguredException(f"{dict(schema)} has no title, by which the API would know it")
        name = schema["title"]
        if name in _GROWING:
            return _growing(name, schema)
        about = {key: value for key, value in schema.items() if key not in ("description", "default")}
        self._add(name, _typed({**about, "description": _DESCRIPTIONS.get(name, "")}))
        of_field = {key: schema[key] for key in ("description", "default") if key in schema}
        return {"$ref": PREFIX + name, **of_field}

    def _add(self, name: str, schema: dict[str, Any]) -> None:
        if not _NAME.fullmatch(name):
            raise ImproperlyConfiguredException(f"{name} is no public name of a schema")
        before = self._named.setdefault(name, schema)
        if _values(before) != _values(schema):
            raise ImproperlyConfiguredException(f"two schemas are called {name}")


def reference(type: Any) -> dict[str, str]:
    """A reference to the schema of a struct."""
    return {"$ref": PREFIX + _public_name(type.__name__)}


def _public_name(name: str) -> str:
    return _PUBLIC_NAMES.get(name, name.removesuffix("Body"))


def _growing(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """What may get more values, as text. Its description says what it is in its place, then what its values mean."""
    about = [schema.get("description", ""), _DESCRIPTIONS.get(name, ""), "More values may come."]
    return {
        "type": "string",
        "description": " ".join(text for text in about if text),
        "x-extensible-enum": [*schema["enum"]],
    }


def _typed(schema: dict[str, Any]) -> dict[str, Any]:
    """An enumeration with the type of its values, which generators ask for: a string. A single value is a `const`."""
    if "enum" not in schema:
        return schema
    values = schema["enum"]
    if len(values) > 1:
        return schema | {"type": "string"}
    return {key: value for key, value in schema.items() if key != "enum"} | {"type": "string", "const": values[0]}


def _values(schema: Mapping[str, Any]) -> Any:
    return sorted(schema["enum"]) if "enum" in schema else {key: schema.get(key) for key in ("type", "properties")}
