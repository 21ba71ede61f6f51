"""What services say about a field, in sentences for pages that say what to do.

Messages of services are the API's: a field and what is wrong with it (`amount: must be at least 5.00 USDT`). A page
shows the message beside the field, so this module turns it into a sentence, by the first rule that fits; text that no
rule fits gets the field as its subject where it lacks one, a capital and a full stop.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from app.core.money import group_amounts

PLAIN_AMOUNT = "Enter an amount with a point and no thousands separator, such as 1250.00."
PLAIN_EMAIL = "That is not a whole email address. Enter one such as name@example.com."

SUBJECTS: Mapping[str, str] = MappingProxyType(
    {
        "accept_parts": "The choice",
        "accent": "The colour",
        "allowlist": "The list",
        "amount": "The amount",
        "assets": "The list",
        "business": "The description",
        "code": "The code",
        "country": "The country",
        "currencies": "The list",
        "currency": "The currency",
        "daily_cap_raw": "The daily cap",
        "description": "The description",
        "destination": "The address",
        "display_name": "The name",
        "email": "The email address",
        "endpoint": "The endpoint",
        "event_types": "The list of events",
        "expires_at": "The last day",
        "fail_url": "The address",
        "frame_origins": "The list",
        "grace_hours": "The time",
        "key": "The key",
        "legal_name": "The legal name",
        "logo": "The picture",
        "max_amount": "The largest amount",
        "max_payments": "The number of payments",
        "max_raw": "The largest amount",
        "metadata": "The metadata",
        "min_amount": "The least amount",
        "min_raw": "The least amount",
        "name": "The name",
        "new_password": "The password",
        "note": "The note",
        "order_id": "The order",
        "overlap_hours": "The time",
        "password": "The password",
        "rate_limit_per_minute": "The rate limit",
        "reason": "The reason",
        "refund_address": "The address",
        "reporting_currency": "The currency",
        "role": "The role",
        "service_fee_bps": "The fee",
        "success_url": "The address",
        "tolerance_bps": "The tolerance",
        "txid": "The transaction id",
        "url": "The address",
        "webhook_id": "The endpoint",
        "website": "The website",
        "worth": "The amount",
    }
)
"""Fields as the subject of a sentence."""

_RULES: tuple[tuple[str, str, str], ...] = (
    # Amounts
    ("amount|worth|.*_raw|.*_amount", r"must be a positive decimal such as .+", PLAIN_AMOUNT),
    ("*", r"must have at most (\d+) decimal places?", r"Enter it with at most \1 decimal places."),
    ("*", r"must be greater than zero", "Enter an amount above zero."),
    ("*", r"must have at most (\d+) digits(?: in minor units)?", r"Enter a smaller amount: it has at most \1 digits."),
    ("*", r"must be at least (.+)", r"Enter at least \1."),
    ("*", r"must be more than the service fee", "Enter a larger amount: it must be more than the service fee."),
    ("*", r"more than the (.+) balance holds", r"Enter a smaller amount: that is more than the \1 balance holds."),
    ("*", r"(.+) of the invoice's net are left", r"Enter at most \1: no more of this invoice can be sent back."),
    ("*", r"(.+) are left of the cap for 24 hours", r"Enter at most \1: that is left of the limit for 24 hours."),
    (
        "*",
        r"(.+) carries no payment of less than (.+) to this address",
        r"Enter at least \2: \1 carries no smaller payment to this address.",
    ),
    ("*", r"must not be negative, and fit 78 digits", PLAIN_AMOUNT),
    ("max_amount", r"must not be less than min_amount", "Enter an amount that is not below the least amount."),
    ("max_raw", r"must not be less than the least amount", "Enter an amount that is not below the least amount."),
    ("currency", r"(.+ on .+) is not enabled", r"Choose another asset: \1 is not enabled."),
    ("currency", r"prices in (.+) are not enabled", r"Choose another currency: prices in \1 are not enabled."),
    ("pay_in_assets", r"not all of these are enabled.*", "Choose among the assets that you take: one is not enabled."),
    (
        "order_id",
        r"an open or paid invoice has it already",
        "Enter another order: an open or paid invoice has this one.",
    ),
    # Addresses that money is sent to
    (
        "*",
        r"this is (.+); the (.+) is on (.+)",
        r"That is \1. Enter an address on \3, where the \2 is, or choose another asset.",
    ),
    (
        "*",
        r"is one of our own deposit addresses",
        "That is one of our own deposit addresses. Enter an address that is yours.",
    ),
    ("*", r"is one of our own addresses", "That is one of our own addresses. Enter an address that is yours."),
    ("*", r"is our own hot wallet", "That is the gateway’s own wallet. Enter an address that is yours."),
    ("*", r"is the zero address.*", "That is the zero address. Enter another one: what is sent there is lost."),
    ("*", r"is a token's contract.*", "That is a token’s contract. Enter another address: what is sent there is lost."),
    (
        "*",
        r"nothing can be sent on (.+): it has no hot wallet",
        r"Nothing can be sent on \1 at present. Ask the operators of this gateway.",
    ),
    (
        "*",
        r"not an address: 0x and 40 hexadecimal digits",
        "Enter a whole address: 0x and 40 digits from 0 to 9 and a to f.",
    ),
    ("*", r"not a Tron address: it is one of another chain", "That address is of another chain. Enter a Tron address."),
    ("*", r"not a Tron address: .*", "Enter a whole Tron address: T and 33 letters and digits."),
    (
        "*",
        r"(?:the address's checksum \(EIP-55\)|the Tron address's checksum) is wrong.*",
        "A character of that address is mistyped. Copy it once more.",
    ),
    (
        "*",
        r"is not a bitcoin address, or a character is mistyped",
        "That is not a whole bitcoin address, or a character is mistyped. Copy it once more.",
    ),
    (
        "*",
        r"mixes capital and small letters.*",
        "That address mixes capital and small letters, which it never does. Copy it once more.",
    ),
    ("*", r"is an address of another network than (.+)", r"That address is of another network. Enter one of \1."),
    (
        "*",
        r"is an address of a kind that isn't in use yet.*",
        "That is an address of a kind that isn’t in use yet. Enter another one.",
    ),
    # People
    ("email", r"is not an email address", PLAIN_EMAIL),
    ("email", r"is a member already", "Somebody with this address is a member already. Enter another one."),
    ("email", r"is your address already", "That is your address already. Enter another one."),
    ("email", r"has an account already", "This address has an account already. Sign in with it."),
    (
        "email",
        r"(\d+) invitations are open already.*",
        r"Withdraw an invitation first: \1 are open, the most there can be.",
    ),
    (
        "*",
        r"must have (\d+) to (\d+) (?:printable )?characters(?:, on one line)?",
        r"Enter \1 to \2 characters, on one line.",
    ),
    ("*", r"must have (\d+) to (\d+) characters that say what was done", r"Say what was done, in \1 to \2 characters."),
    ("*", r"must (?:have|be) at most (\d+) characters", r"Shorten it: at most \1 characters fit."),
    ("*", r"holds characters that can't be shown", "Remove the characters that can’t be shown."),
    ("*", r"must not hold the address of a site", "Enter it without the address of a site."),
    (
        "new_password|password",
        r"is among the first that anybody would try.*",
        "Choose another password: this one is among the first that anybody would try.",
    ),
    (
        "password",
        r"is not the one that you chose when you signed up",
        "That is not the password that you chose when you signed up. Enter that one.",
    ),
    ("role", r"the last owner must stay one.*", "The last owner must stay one. Make somebody else an owner first."),
    (
        "name",
        r"(\d+) applications of yours are waiting already",
        r"Wait for an answer first: \1 applications of yours are being read.",
    ),
    (
        "name",
        r"the application is already being reviewed",
        "The application is being read already. There is nothing to send.",
    ),
    ("country", r"choose the country.*", "Choose the country where the business is registered."),
    ("website", r"must be an address such as (.+)", r"Enter the address of the website, such as \1."),
    ("monthly_volume", r"choose what you expect", "Choose what you expect to take in a month."),
    # Keys and endpoints
    ("scopes", r"must hold at least one scope", "Choose at least one permission for this key."),
    ("scopes", r".* is not a scope", "Choose among the permissions that are listed."),
    ("rate_limit_per_minute", r"must be from (\d+) to (\d+)", r"Enter a whole number of requests from \1 to \2."),
    ("expires_at", r"must be in the future", "Enter a day that is not over yet, or leave it empty."),
    ("grace_hours|overlap_hours", r"must be from .*", "Choose how long the old secret still works."),
    (
        "allowlist",
        r"must have at most (\d+) entries",
        r"List at most \1 addresses. A network such as 203.0.113.0/24 covers many.",
    ),
    ("allowlist", r"'(.*)' has a zone, which is not supported", r"Enter “\1” without its zone, the part from % on."),
    (
        "allowlist",
        r"'(.*)' is not an IPv4 or IPv6 address or CIDR",
        r"Enter IP addresses or networks, one a line: “\1” is neither.",
    ),
    (
        "allowlist",
        r"'(.*)' has host bits set; did you mean (.+)\?",
        r"Enter \2, or one address alone: “\1” is neither.",
    ),
    ("key", r"is revoked; issue a new one", "This key is revoked. Create a new one."),
    ("secrets", r"choose at least one", "Choose at least one secret to rotate."),
    ("url", r"must start with https://", "Enter an address that begins with https://."),
    ("url", r"there are (\d+) endpoints already.*", r"Delete an endpoint first: there are \1, the most there can be."),
    (
        "url",
        r"host does not resolve to a public address",
        "Enter an address that the internet can reach: its host has no public IP address.",
    ),
    ("url", r"host must be a public address", "Enter an address that the internet can reach: its host is private."),
    ("url", r"host (.+)", r"Enter another address: its host \1."),
    ("url", r"(port .+|path and query .+)", r"Enter another address: its \1."),
    ("event_types", r"no such event type: (.+)", r"Choose among the events that are listed: there is no \1."),
    (
        "success_url|fail_url",
        r"must be an absolute https:// URL|is not a URL",
        "Enter a whole address that begins with https://.",
    ),
    ("success_url|fail_url", r"must not hold user info", "Enter the address without a user name or password."),
    (
        "success_url|fail_url",
        r"holds characters that must be percent-encoded",
        "Enter the address without spaces, quotes and < >, or percent-encode them.",
    ),
    # Settings
    ("fee_payer", r"choose who pays the fee", "Choose who pays the service fee."),
    ("accept_parts", r"choose what a part counts for", "Choose what happens to a transfer of less than the amount."),
    ("return_addresses", r"choose one", "Choose whether customers are asked for a return address."),
    ("currencies", r"must be at most (\d+) different ones", r"List at most \1 currencies, each once."),
    (
        "currencies|reporting_currency",
        r"(.*) is not a currency",
        r"Enter codes of currencies, such as EUR: “\1” is none.",
    ),
    ("assets", r"choose at least one of the assets that you take", "Choose at least one asset, by giving it a place."),
    ("assets", r"choose a place for each", "Choose a place from the list for each asset."),
    ("*", r"must be a percentage such as (.+)", r"Enter a percentage with a point, such as \1."),
    ("*", r"must be at most (.+) percent", r"Enter at most \1 percent."),
    ("*", r"must be a whole number from (\d+) to (\d+)", r"Enter a whole number from \1 to \2."),
    ("*", r"must be a whole number", "Enter a whole number, without a point or letters."),
    ("*", r"must be from (\d+) to (\d+)", r"Enter a whole number from \1 to \2."),
    ("accent", r"must be a colour such as (.+)", r"Choose a colour, or enter one such as \1."),
    ("logo", r"must have at most (\d+) kB", r"Choose a smaller file: at most \1 kB."),
    ("logo", r"must be a PNG, JPEG or WebP picture", "Choose a picture in PNG, JPEG or WebP format."),
    (
        "logo",
        r"must have at most (\d+) pixels on each side",
        r"Choose a smaller picture: at most \1 pixels wide and high.",
    ),
    ("frame_origins", r"must be at most (\d+)", r"List at most \1 origins."),
    (
        "frame_origins",
        r"must be origins such as (\S+), which (.*) is not",
        r"Enter origins such as \1, one a line: “\2” is none.",
    ),
    (
        "frame_origins",
        r"must begin with https://, which (.*) does not",
        r"Enter origins that begin with https://: “\1” does not.",
    ),
    (
        "frame_origins",
        r"must have possible ports, which (.*) has not",
        r"Enter origins with a port up to 65535: “\1” has another.",
    ),
    ("webhook_id", r"is (paused|disabled): enable it first", r"This endpoint is \1. Enable it first."),
    ("reason", r"give a reason: it is recorded in the audit log", "Give a reason. It is recorded in the audit log."),
    ("*", r"must be at most (.+)", r"Enter at most \1."),
)
"""Field, message and sentence: a field is a pattern, or `*` for any."""

_ENDS = (".", "!", "?", "…")

_LACKS_SUBJECT = re.compile(r"(?:is|are|was|has|have|holds?|must|can't|belongs?|begins?|mixes|needs?|would|lacks?)\b")


def sentence(field: str, message: str) -> str:
    """What a page shows for a message about a field, or with `""` about the whole form."""
    message = message.strip()
    if not message.endswith(_ENDS):  # a sentence of ours may be about how an amount is typed
        message = group_amounts(message)
    for about, pattern, words in _compiled():
        if about is None or about.fullmatch(field):
            found = pattern.fullmatch(message)
            if found is not None and field:
                return found.expand(words)
    if _LACKS_SUBJECT.match(message):
        message = f"{SUBJECTS.get(field, 'This')} {message}"
    whole = message[:1].upper() + message[1:]
    return whole if whole.endswith(_ENDS) else f"{whole}."


@cache
def _compiled() -> list[tuple[re.Pattern[str] | None, re.Pattern[str], str]]:
    return [
        (None if field == "*" else re.compile(field, re.ASCII), re.compile(message, re.DOTALL), words)
        for field, message, words in _RULES
    ]
