"""What was typed into a form that was not carried out: refused, or sent after its session had ended.

The form's page shows it again, under the form's key in its URL. It is stored sealed, for half an hour, and belongs to
one session, or to one browser in which nobody is signed in. When somebody signs in there, the forms that this account
had filled in move to the new session, and all others are deleted.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from app.accounts import kept_forms_repository as repository
from app.core import database
from app.core.crypto import Undecryptable, decrypt, encrypt, sha256
from app.core.settings import DataKeys

LIFETIME = timedelta(minutes=30)

MAX_CHARS = 64_000
"""The most that is stored of one form. A longer one is shown as the answer to its sender, and not kept."""


class KeptForm(msgspec.Struct, frozen=True):
    """A form: its fields without files, passwords and codes, and its errors by field.

    `proofs` is what stands for a field that is never shown again, such as the hash of a new password. `token` is the
    token with which it was sent. `address` and `key` are those of its page, and `name` is which of the page's forms it
    is.
    """

    fields: list[tuple[str, str]]
    errors: dict[str, str]
    proofs: dict[str, str]
    token: str
    address: str
    key: str
    name: str = "form"


class Owner(msgspec.Struct, frozen=True):
    """Whose form it is: `of_session` or `of_visit`."""

    name: str

    @classmethod
    def of_session(cls, session_id: str) -> "Owner":
        """A signed-in session."""
        return cls(f"session:{session_id}")

    @classmethod
    def of_visit(cls, token: str) -> "Owner":
        """A browser in which nobody is signed in."""
        return cls(f"visit:{token}")

    @property
    def is_session(self) -> bool:
        """Whether it is a session's."""
        return self.name.startswith("session:")

    @property
    def digest(self) -> bytes:
        """What the table stores: a token is never stored itself."""
        return sha256(self.name.encode("utf-8", "replace"))

    def id_of(self, address: str, key: str) -> bytes:
        """The id of this owner's form with this key, on the page at this URL path."""
        return sha256("\0".join((self.name, address, key)).encode("utf-8", "replace"))


async def keep(owner: Owner, form: KeptForm, keys: DataKeys, now: datetime) -> bool:
    """Store a form for its page; False where it is too long."""
    content = msgspec.json.encode(form).decode()
    if len(content) > MAX_CHARS:
        return False
    await _put(owner, form, content, keys, now + LIFETIME)
    return True


async def find(owner: Owner, address: str, key: str, keys: DataKeys, now: datetime) -> KeptForm | None:
    """The owner's form with this key, if it has not expired and its data key is still configured."""
    form_id = owner.id_of(address, key)
    stored = await repository.find(form_id, now)
    return None if stored is None else _opened(stored, keys)


async def forget(owner: Owner, address: str, key: str) -> None:
    """Delete a form: it was carried out."""
    await repository.delete(owner.id_of(address, key))


async def move(
    before: Owner, after: Owner, is_theirs: Callable[[KeptForm], bool], keys: DataKeys, now: datetime
) -> None:
    """Give the forms of one owner to another: those for which `is_theirs` holds. The others are deleted."""
    async with database.transaction():
        for stored in await repository.take_all(before.digest):
            form = _opened(stored, keys)
            if form is not None and stored.expires_at > now and is_theirs(form):
                await _put(after, form, msgspec.json.encode(form).decode(), keys, stored.expires_at)


async def _put(owner: Owner, form: KeptForm, content: str, keys: DataKeys, expires_at: datetime) -> None:
    form_id = owner.id_of(form.address, form.key)
    sealed = encrypt(keys, content, purpose=_purpose(form_id))
    await repository.put(form_id, owner.digest, sealed, expires_at)


def _opened(stored: repository.StoredForm, keys: DataKeys) -> KeptForm | None:
    try:
        content = decrypt(keys, stored.content_sealed, purpose=_purpose(stored.id))
    except Undecryptable:
        return None
    return msgspec.json.decode(content, type=KeptForm)


def _purpose(form_id: bytes) -> str:
    return f"kept-form:{form_id.hex()}"
