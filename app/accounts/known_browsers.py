"""The browsers and networks that an account has signed in from, and the email about a sign-in from a new one.

A browser is known by a token in a cookie, a network by the first bits of the address. Both give no right: all they do
is spare an email. A copied cookie alone spares none, unless it is used from a known network.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import ip_network
from types import MappingProxyType

import msgspec

from app.accounts import known_browsers_repository as repository
from app.accounts import links, people
from app.accounts.letters import Letters
from app.accounts.repository import Person
from app.accounts.sessions import MAX_USER_AGENT_LENGTH
from app.accounts.user_agents import browser_of, system_of
from app.core import database
from app.core.crypto import sha256
from app.core.errors import ApiError, Code
from app.mail import service as mail
from app.mail.letters import Kind
from app.web.client_address import parse

LIFETIME = timedelta(days=400)
"""How long a browser is known after its last sign-in: no browser keeps a cookie for longer (RFC 6265bis, 5.5)."""

MOST = 100
"""Browsers and networks that are remembered of one account. Whoever knows the password could add any number."""

EMAILS_A_DAY = 5
"""Emails about single sign-ins to one mailbox within a day. One more says that there were others."""

NETWORK_BITS = {4: 24, 6: 48}
"""The first bits of an address that count as one network: what one provider commonly gives to one place."""

WAYS: Mapping[str | None, str] = MappingProxyType(
    {
        None: "password",
        "authenticator": "password and a code of the authenticator app",
        "recovery code": "password and a recovery code",
        "passkey": "password and a passkey",
        "passkey alone": "passkey",
    }
)
"""How somebody signed in, by the second step that the audit log names."""


class Place(msgspec.Struct, frozen=True):
    """Where a sign-in comes from: the client's address, the user agent, and the token of the browser."""

    address: str
    user_agent: str
    browser: str


class SignInAlerts:
    """Remembers places of sign-ins, and writes about new ones. One per process."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def note(self, person: Person, place: Place, second_step: str | None, now: datetime) -> None:
        """Remember the place of a completed sign-in, and write to the person if the browser or the network is new.

        In the caller's transaction, which has locked the account.
        """
        database.in_transaction()
        known = await remember(person.id, place, now)
        if known.browser and known.network:
            return
        written = await mail.written_in_a_day(Kind.SIGN_IN, person.email, now)
        if written > EMAILS_A_DAY:
            return
        token = await links.create("not_me", links.of(person, person.email), now)
        if written == EMAILS_A_DAY:
            letter = self._letters.more_sign_ins(person.name, token)
        else:
            letter = self._letters.new_sign_in(
                person.name,
                token,
                new="network" if known.browser else "browser",
                browser=browser_of(place.user_agent) or "unknown",
                system=system_of(place.user_agent) or "unknown",
                address=place.address,
                how=WAYS[second_step],
            )
        await people.send(person.email, letter, now)


async def remember(account_id: str, place: Place, now: datetime) -> repository.KnownPlaces:
    """Remember a place, in the caller's transaction; return what was known of it before."""
    database.in_transaction()
    token_hash, network = hash_of(account_id, place.browser), network_of(place.address)
    known = await repository.known(account_id, token_hash, network)
    user_agent = place.user_agent[:MAX_USER_AGENT_LENGTH]
    await repository.remember(account_id, token_hash, network, address=place.address, user_agent=user_agent, now=now)
    if not (known.browser and known.network):
        await repository.keep_latest(account_id, MOST)
    return known


async def forget(person: Person, browser_id: int, *, address: str, now: datetime) -> None:
    """Forget a browser: the next sign-in there is written about. Raises NOT_FOUND. Not inside a transaction."""
    async with database.transaction():
        if not await repository.forget(person.id, browser_id):
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        await people.record(person, "browser.forgotten", address, now)


async def purge(now: datetime) -> int:
    """Delete what was not used for too long; return how many rows."""
    return await repository.purge(now - LIFETIME)


def hash_of(account_id: str, browser: str) -> bytes:
    """What is stored of a browser's token for an account."""
    return sha256(f"{account_id}:{browser}".encode("utf-8", "replace"))


def network_of(address: str) -> str:
    """The network of an address, such as `192.0.2.0/24`; empty for a text that is none."""
    found = parse(address)
    return "" if found is None else str(ip_network((found, NETWORK_BITS[found.version]), strict=False))
