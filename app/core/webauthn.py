"""Passkeys (WebAuthn, level 2): what a browser is asked for, and the check of what it answers. Values in, values out.

The web process checks answers against the keys in its database; the signer checks the same answers against its own
file (app/signer/approvers.py).

The library is imported where it is used: it takes as long as a tenth of the web process's other imports, and workers
never ask a browser.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from app.core.crypto import sha256

if TYPE_CHECKING:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

TIMEOUT_MS = 120_000
"""How long a browser lets a person find their passkey."""

MAX_ANSWER_LENGTH = 20_000
"""Far above what authenticators send: no attestation is asked for."""

ALGORITHMS = (-7, -8, -257)
"""What all platforms' authenticators can do between them (IANA's COSE registry: ES256, EdDSA, RS256)."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class AnswerRefused(Exception):
    """A browser's answer is not one to our question; the message is for logs, never for strangers."""


class RelyingParty(NamedTuple):
    """Who asks: the host name for which passkeys are made, and the origin of the pages that use them."""

    id: str
    origin: str

    @property
    def can_have_passkeys(self) -> bool:
        """Whether browsers make passkeys for it: for names, never for IP addresses."""
        try:
            ip_address(self.id)
        except ValueError:
            return bool(self.id)
        return False

    @classmethod
    def of(cls, public_url: str) -> "RelyingParty":
        """The relying party of a deployment at this URL."""
        parts = urlsplit(public_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")


class NewPasskey(msgspec.Struct, frozen=True):
    """A passkey that a browser has made. `public_key` is a COSE key (RFC 9052); `is_synced` says that its owner's
    password manager copies it to other devices."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    is_synced: bool


def creation_options(
    party: RelyingParty, challenge: bytes, account_id: str, email: str, name: str, known: Collection[bytes]
) -> dict[str, Any]:
    """What `navigator.credentials.create` is asked for, as JSON. A device with one of the `known` makes no other."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers import structs  # noqa: PLC0415

    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name="Swap Pay",
        user_id=account_id.encode(),
        user_name=email,
        user_display_name=name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
        supported_pub_key_algs=_algorithms(),
    )
    return webauthn.helpers.options_to_json_dict(options)


def request_options(party: RelyingParty, challenge: bytes, known: Collection[bytes] = ()) -> dict[str, Any]:
    """What `navigator.credentials.get` is asked for, as JSON: one of the `known` passkeys, or any of ours."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers import structs  # noqa: PLC0415

    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.helpers.options_to_json_dict(options)


def made(answer: str, challenge: bytes, party: RelyingParty) -> NewPasskey:
    """The passkey that an answer to `creation_options` brings. Raises AnswerRefused."""
    import webauthn  # noqa: PLC0415
    from webauthn.helpers.structs import CredentialDeviceType  # noqa: PLC0415

    with _reading(answer):
        found = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=_algorithms(),
        )
    return NewPasskey(
        found.credential_id,
        found.credential_public_key,
        found.sign_count,
        found.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
    )


def credential_id(answer: str) -> bytes:
    """The id of the passkey that an answer claims to be from. Raises AnswerRefused."""
    from webauthn.helpers import parse_authentication_credential_json  # noqa: PLC0415

    with _reading(answer):
        return parse_authentication_credential_json(answer).raw_id


def check(answer: str, challenge: bytes, party: RelyingParty, public_key: bytes, sign_count: int) -> int:
    """Check an answer to `request_options` against the passkey that it names, and return its new count of signatures.

    A passkey that counts must have counted on: else somebody has a copy of it. One that never counts, as those do that
    are synced, says 0 each time. Raises AnswerRefused, also where the person was not verified by PIN or biometrics.
    """
    import webauthn  # noqa: PLC0415

    with _reading(answer):
        return webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        ).new_sign_count


def fingerprint(public_key: bytes) -> str:
    """What people read out to compare a public key: SHA-256 in sixteen groups of four hexadecimal digits."""
    digits = sha256(public_key).hex()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def to_text(raw: bytes) -> str:
    """Bytes as base64url without padding, as in WebAuthn's JSON."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def from_text(text: str) -> bytes:
    """The bytes of `to_text`. Raises AnswerRefused."""
    try:
        raw = urlsafe_b64decode(f"{text}===") if _BASE64URL.fullmatch(text) else b""
    except ValueError as error:
        raise AnswerRefused("not base64url") from error
    if not raw or to_text(raw) != text:
        raise AnswerRefused("not base64url")
    return raw


def _algorithms() -> "list[COSEAlgorithmIdentifier]":
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415

    return [COSEAlgorithmIdentifier(number) for number in ALGORITHMS]


@contextmanager
def _reading(answer: str) -> Iterator[None]:
    """Raise AnswerRefused for what the library raises where the answer is none: JSON of another shape, CBOR that ends
    too soon."""
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    if len(answer) > MAX_ANSWER_LENGTH:
        raise AnswerRefused("the answer is too long")
    try:
        yield
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AnswerRefused(str(error)) from error
