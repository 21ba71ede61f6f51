"""An authenticator in software, as WebAuthn (level 2, sections 6 and 8) describes one: makes passkeys and signs with
them. It stands in for a phone or a security key where a test needs no browser; journeys use Chromium's own."""

import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of the authenticator data: somebody touched it, who proved who they are; a new key follows."""


class Authenticator:
    """One device with one passkey. `counts` is False for those that are synced: they always say 0."""

    def __init__(self, origin: str, *, counts: bool = True) -> None:
        self.origin = origin
        self.rp_id = origin.split("//")[1].split(":", maxsplit=1)[0]
        self.credential_id = os.urandom(16)
        self.count = 0
        self.counts = counts
        self.flags = PRESENT | VERIFIED
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> bytes:
        """The COSE key (RFC 9053): ES256 on P-256."""
        numbers = self._key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def make(self, options: dict[str, Any]) -> str:
        """The answer to `navigator.credentials.create`, without an attestation."""
        length = len(self.credential_id).to_bytes(2, "big")
        attested = bytes(16) + length + self.credential_id + self.public_key
        data = self._data(self.flags | ATTESTED) + attested
        response = {
            "clientDataJSON": bytes_to_base64url(self._client_data("webauthn.create", options["challenge"])),
            "attestationObject": bytes_to_base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
        }
        return self._answer(response)

    def sign(self, options: dict[str, Any]) -> str:
        """The answer to `navigator.credentials.get`."""
        self.count += self.counts
        data, client_data = self._data(self.flags), self._client_data("webauthn.get", options["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": bytes_to_base64url(client_data),
            "authenticatorData": bytes_to_base64url(data),
            "signature": bytes_to_base64url(signature),
        }
        return self._answer(response)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        shown_id = bytes_to_base64url(self.credential_id)
        return json.dumps({"id": shown_id, "rawId": shown_id, "type": "public-key", "response": response})
