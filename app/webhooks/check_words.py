"""The checks of an integration in words: what is sent, what should come, and what to do where something else came."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

GUIDE = "webhooks"
"""The guide of the documentation that explains them."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check. `must`: another answer loses events or lets forged ones in. `section` is its place in the guide."""

    name: str
    title: str
    sent: str
    expects: Literal["2xx", "4xx", "time"]
    remedy: str
    section: str
    must: bool = True
    at_once: bool = False
    test_mode_only: bool = False

    @property
    def expected(self) -> str:
        """What should come, in words."""
        if self.expects == "time":
            return "within 5 seconds"
        return f"{'must' if self.must else 'should'} be {self.expects}"

    def remedy_for(self, verdict: str) -> str:
        """What to do after this verdict."""
        return NO_REFUSAL if self.expects == "4xx" and verdict == "warning" else self.remedy


NO_REFUSAL = (
    "Refuse it on purpose, with 400 or 401. An error of your server is none: you could not tell a forged event from a "
    "fault of your code."
)


_ALL = (
    Check(
        name="signed",
        title="A signed event",
        sent="A webhook.test event as you get it every day.",
        expects="2xx",
        remedy="Check that the address is right, that the server uses this endpoint’s secret, and that it computes the "
        "signature over the raw body, before any framework has parsed it.",
        section="verifying",
    ),
    Check(
        name="duplicate",
        title="The same event again",
        sent="The first event once more: same event_id, same body, new signature.",
        expects="2xx",
        must=False,
        remedy="Store each event_id that you have processed, and answer a repeated one with 200 without doing "
        "anything. With an error, we would send it ten times.",
        section="in-short",
    ),
    Check(
        name="out_of_order",
        title="Out of order",
        sent="An event with number 3, then the one with number 2.",
        expects="2xx",
        must=False,
        remedy="Retries overtake each other. Accept events in any order, and take the state from the event’s data or "
        "from the API, not from the order of arrival.",
        section="events",
    ),
    Check(
        name="rotated",
        title="Two signatures",
        sent="An event with two v1 signatures, as during a rotation. The second one is by your secret.",
        expects="2xx",
        remedy="Compare your signature with every v1 of the header, not only with the first. Else all events are "
        "refused while a secret is rotated.",
        section="rotating-the-secret",
    ),
    Check(
        name="unknown_type",
        title="An unknown type",
        sent="An event of a type that does not exist, with a right signature.",
        expects="2xx",
        must=False,
        remedy="Answer types that you don’t know with 200, and ignore them: new ones are added.",
        section="events",
    ),
    Check(
        name="unknown_fields",
        title="Unknown fields",
        sent="A webhook.test event with fields that do not exist yet.",
        expects="2xx",
        remedy="Ignore fields that you don’t know: new ones are added without notice.",
        section="events",
    ),
    Check(
        name="large",
        title="A large body",
        sent="A webhook.test event of 48 KiB.",
        expects="2xx",
        remedy="Allow bodies of at least 64 KiB on this path, in the web server and in the framework.",
        section="events",
    ),
    Check(
        name="at_once",
        title="Twice at the same moment",
        sent="One event in two requests at the same time.",
        expects="2xx",
        must=False,
        at_once=True,
        remedy="Let the database decide which of two equal event_ids is the first, for instance by a unique column, "
        "and answer both with 200.",
        section="in-short",
    ),
    Check(
        name="unknown_invoice",
        title="An invoice that you don’t know",
        sent="invoice.paid for INV-0000000000, which does not exist, in test mode.",
        expects="2xx",
        must=False,
        test_mode_only=True,
        remedy="Answer 200 and write it to your log. Never make an order from an event: look up the one that you "
        "stored when you created the invoice.",
        section="in-short",
    ),
    Check(
        name="no_signature",
        title="No signature",
        sent="An event without the signature headers.",
        expects="4xx",
        remedy="Refuse what has no signature, with 400 or 401. Now everybody who knows the address can say that an "
        "order is paid.",
        section="verifying",
    ),
    Check(
        name="wrong_secret",
        title="A forged signature",
        sent="An event that is signed with another secret.",
        expects="4xx",
        remedy="Verify the signature before anything else, and refuse with 400 or 401. Now everybody who knows the "
        "address can say that an order is paid.",
        section="verifying",
    ),
    Check(
        name="changed_body",
        title="A changed body",
        sent="An event whose body was changed after it was signed.",
        expects="4xx",
        remedy="Compute the signature over the raw body that came, not over its header or over parsed and re-written "
        "JSON.",
        section="verifying",
    ),
    Check(
        name="old",
        title="An old event, played back",
        sent="An event whose signature is right and an hour old.",
        expects="4xx",
        remedy="Refuse a timestamp that is more than five minutes from now, so that nobody can send again what he has "
        "recorded. Each of our attempts is signed anew.",
        section="in-short",
    ),
    Check(
        name="in_time",
        title="Answers in time",
        sent="All of the above.",
        expects="time",
        must=False,
        remedy="Store the event, answer, and do the work afterwards. After 10 seconds we count an attempt as failed.",
        section="in-short",
    ),
)

CHECKS: Mapping[str, Check] = MappingProxyType({check.name: check for check in _ALL})
"""By name, in the order in which they are made."""
