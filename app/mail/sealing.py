"""What letters say, at rest: sealed until they are sent, since some hold a link that lets their reader in.

Each is sealed for its recipient: a row that is turned to another address does not open.
"""

from app.core import crypto
from app.core.key_rotation import SealedColumn, reseal
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
    """What the letter says. Raises crypto.Undecryptable."""
    return crypto.decrypt(_opened(), sealed, purpose=_purpose(recipient))


async def reseal_all(keys: DataKeys) -> int:
    """Move every waiting letter to the current data key; how many. Raises crypto.Undecryptable."""
    return await reseal(keys, SealedColumn("mail_outbox", "body_sealed", _purpose, bound_to="recipient"))


def _opened() -> DataKeys:
    if _keys is None:
        raise RuntimeError("the outbox has no keys: call use_keys first")
    return _keys


def _purpose(recipient: str) -> str:
    return f"letter:{recipient}"
