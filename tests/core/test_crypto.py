"""Sealed secrets: they open only with the right key and for the right purpose."""

import os

import pytest

from app.core.crypto import Undecryptable, decrypt, encrypt, needs_reencryption
from app.core.settings import DataKeys

OLD, NEW = os.urandom(32), os.urandom(32)


def test_a_secret_opens_for_its_purpose_alone() -> None:
    keys = DataKeys({"k1": OLD})
    sealed = encrypt(keys, "whsec_1", purpose="webhook-secret:WH-1")
    assert decrypt(keys, sealed, purpose="webhook-secret:WH-1") == "whsec_1"
    assert "whsec" not in sealed
    with pytest.raises(Undecryptable):
        decrypt(keys, sealed, purpose="webhook-secret:WH-2")


def test_an_altered_or_foreign_ciphertext_is_refused() -> None:
    keys = DataKeys({"k1": OLD})
    sealed = encrypt(keys, "x", purpose="p")
    altered = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for bad in (altered, "k1.", "k1.???", "k9." + sealed.partition(".")[2], ""):
        with pytest.raises(Undecryptable):
            decrypt(keys, bad, purpose="p")


def test_keys_rotate() -> None:
    sealed = encrypt(DataKeys({"k1": OLD}), "x", purpose="p")
    both = DataKeys({"k2": NEW, "k1": OLD})
    assert decrypt(both, sealed, purpose="p") == "x"
    assert needs_reencryption(both, sealed)
    resealed = encrypt(both, "x", purpose="p")
    assert not needs_reencryption(both, resealed)
    assert decrypt(DataKeys({"k2": NEW}), resealed, purpose="p") == "x"
