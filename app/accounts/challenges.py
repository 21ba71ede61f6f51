"""Challenges for passkeys: random, for one purpose and one browser, good for a few minutes and one answer.

A challenge is not stored while it waits: its page carries it, signed. What was answered is stored until the challenge
would have expired, so that an answer that somebody has seen is not taken again.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from itsdangerous import BadData, URLSafeTimedSerializer

from app.accounts import passkeys_repository
from app.core import ids
from app.core.crypto import derive_key, sha256
from app.core.webauthn import AnswerRefused, from_text, to_text

Purpose = Literal["registration", "sign-in", "second step", "step-up"]

LIFETIME = timedelta(minutes=10)
"""As long as a half sign-in waits for its second step."""

CHALLENGE_BYTES = 32
"""WebAuthn, section 13.4.3, asks for at least 16."""


class Challenge(msgspec.Struct, frozen=True):
    """A challenge, and its signed form, which the page's form brings back."""

    raw: bytes
    signed: str


class Challenges:
    """Makes and checks challenges. One per process."""

    def __init__(self, link_secret: bytes) -> None:
        self._serializer = URLSafeTimedSerializer(derive_key(link_secret, "passkey challenge"), salt="passkey")

    def new(self, purpose: Purpose, bound_to: str) -> Challenge:
        """A new challenge. `bound_to` names the session, or the visit of a browser in which nobody is signed in."""
        raw = ids.random_bytes(CHALLENGE_BYTES)
        return Challenge(raw, self._serializer.dumps([purpose, bound_to, to_text(raw)]))

    def open(self, signed: str, purpose: Purpose, bound_to: str) -> bytes:
        """The challenge of a signed form. Raises AnswerRefused where it has expired, or is of another purpose or
        browser."""
        try:
            content = self._serializer.loads(signed, max_age=int(LIFETIME.total_seconds()))
        except BadData as error:
            raise AnswerRefused("the challenge is not ours, or has expired") from error
        if content[:2] != [purpose, bound_to]:
            raise AnswerRefused("the challenge is of another purpose or browser")
        return from_text(content[2])

    async def use(self, raw: bytes, now: datetime) -> None:
        """Mark a challenge as answered, in the caller's transaction. Raises AnswerRefused where it was before."""
        if not await passkeys_repository.add_answered(sha256(raw), now + LIFETIME):
            raise AnswerRefused("the challenge was answered before")
