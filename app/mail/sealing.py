"""Bodies of waiting letters: sealed until they are sent, since some contain a link that gives access.

Each is sealed for its recipient: a row whose address was changed can't be decrypted.
"""

from app.core import crypto
from app.core.key_rotation import Progress, SealedColumn, quietly, reseal
from app.core.settings import DataKeys

_keys: DataKeys | None = None


def use_keys(keys: DataKeys) -> None:
    """Give this process the keys that letters are sealed with; `wiring.running` does."""
    global _keys
    _keys = keys


def seal(recipient: str, body: str) -> str:
    """The ciphertext that goes into the outbox."""
    return crypto.encrypt(_opened(), body, purpose=_purpose(recipient))


def open_sealed(recipient: str, sealed: str) -> str:
    """The body of a letter. Raises crypto.Undecryptable."""
    return crypto.decrypt(_opened(), sealed, purpose=_purpose(recipient))


async def reseal_all(keys: DataKeys, tell: Progress = quietly) -> int:
    """Move every waiting letter to the current data key. Returns how many. Raises crypto.Undecryptable."""
    return await reseal(keys, SealedColumn("mail_outbox", "body_sealed", _purpose, bound_to="recipient"), tell)


def _opened() -> DataKeys:
    if _keys is None:
        raise RuntimeError("the outbox has no keys: call use_keys first")
    return _keys


def _purpose(recipient: str) -> str:
    return f"letter:{recipient}"
