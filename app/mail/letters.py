"""Letters: their kinds and allowances, and harmless forms of words that accounts and merchants chose.

Anybody can make us write to any mailbox, by signing up or by an invitation. So a subject has none of their words, and a
mail program finds nothing in their words of a body that it would show as a link.
"""

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType

import msgspec

from app.core.zones import named


class Kind(StrEnum):
    """The kind of a letter. Each kind has an allowance of its own, so that one can't use up another's."""

    UNASKED = "unasked"
    """To an address that somebody typed: sign-up, a new address, an invitation."""
    RESET = "reset"
    """To an account, when anybody asks to reset its password."""
    SECURITY = "security"
    """To an account, about a change of its password, address or second step."""
    SIGN_IN = "sign_in"
    """To an account, about sign-ins from new places. Whoever knows a password can cause them."""
    MERCHANT = "merchant"
    """To members of a merchant, about the merchant."""
    NOTICE = "notice"
    """To members of a merchant, about single payouts and refunds, of which there may be thousands."""
    ALERT = "alert"
    """To the operators' addresses in the settings."""


class Allowance(msgspec.Struct, frozen=True):
    """How many letters of a kind one mailbox gets at most."""

    per_hour: int
    per_day: int


ALLOWANCES: Mapping[Kind, Allowance] = MappingProxyType(
    {
        Kind.UNASKED: Allowance(5, 10),
        Kind.RESET: Allowance(5, 20),
        Kind.SECURITY: Allowance(30, 100),
        Kind.SIGN_IN: Allowance(6, 6),
        Kind.MERCHANT: Allowance(60, 300),
        Kind.NOTICE: Allowance(40, 200),
        Kind.ALERT: Allowance(120, 1_000),
    }
)


class Letter(msgspec.Struct, frozen=True):
    """One plain-text letter. Make it by `letter`."""

    kind: Kind
    subject: str
    template: str
    values: Mapping[str, object]

    def body(self, now: datetime, zone: tzinfo) -> str:
        """The text for a recipient in this time zone, written `now`. Times in it name the zone."""
        values = {"now": now, **self.values}
        return self.template.format(
            **{name: named(value, zone) if isinstance(value, datetime) else value for name, value in values.items()}
        )


def letter(kind: Kind, subject: str, body: str, ours: Mapping[str, object] | None = None, **theirs: str) -> Letter:
    """A letter. `subject` is a constant (a test holds that); `body` has a `{name}` for each value.

    `ours` are links, figures and operators' words, which are inserted unchanged, and times, which each recipient gets
    in their own time zone; `{now}` is the time at which the letter is written. `theirs` are words that an account or a
    merchant chose: they become one line in which nothing looks like an address.
    """
    return Letter(kind, subject, body, {**(ours or {}), **{name: unlinked(text) for name, text in theirs.items()}})


def unlinked(text: str) -> str:
    """Text on one line, with brackets around each sign that could be part of an address: `example[.]com`."""
    return _JOINT.sub(r"[\g<0>]", " ".join(text.split()))


_JOINT = re.compile(r"(?<=\w)[.@\u3002\uff0e\uff61](?=\w)|(?<=\w):(?=\S)")
