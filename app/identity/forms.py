"""A submitted form: its fields, and the errors with which a page shows it again.

Whoever reads a form goes through all of its fields first, and then refuses it, so that the page names everything that
is wrong: readers of fields (`app.cabinet.fields`) record an error and return a neutral value, checks of services run
within `gathering()`, and `refuse_if_wrong()` raises. The first error of a field is the one that is shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile

from app.core.errors import ApiError, Code, invalid
from app.core.text import without_direction_controls
from app.identity.sentences import sentence

MAX_FIELDS = 1_000
"""No page of ours has more fields."""

CSRF_FIELD = "csrf_token"

_FIELD_AND_WORDS = re.compile(r"([a-z][a-z0-9_.]*): (.+)", re.DOTALL)

_ABOUT_A_FIELD = frozenset(
    {
        Code.INVALID_INPUT,
        Code.AMOUNT_TOO_SMALL,
        Code.AMOUNT_TOO_LARGE,
        Code.INSUFFICIENT_BALANCE,
        Code.INVALID_DESTINATION,
        Code.MEMO_NOT_ALLOWED,
        Code.REFUND_EXCEEDS_NET,
        Code.PAY_IN_ASSET_NOT_ALLOWED,
        Code.DAILY_CAP_EXCEEDED,
        Code.DUPLICATE_ORDER_ID,
    }
)
"""Codes of errors whose message names a field."""

_NOT_ABOUT_THE_FORM = (403, 404)


class FormRefused(Exception):
    """A form has errors; they are in its `errors`."""

    def __init__(self, form: "Form") -> None:
        super().__init__("the form was refused")
        self.form = form


class File(msgspec.Struct, frozen=True):
    """An uploaded file. Its name and media type are what the client claims."""

    name: str
    media_type: str
    data: bytes


class Form(msgspec.Struct):
    """A form's fields. `values` has the last of each name, `lists` all of them; `errors` has sentences by field,
    under `""` those about the whole form. `proofs` is what stands for a password that was given in an earlier round,
    and `notes` has sentences about fields that are right, such as what a payout would cost."""

    values: dict[str, str] = msgspec.field(default_factory=dict)
    lists: dict[str, list[str]] = msgspec.field(default_factory=dict)
    files: dict[str, File] = msgspec.field(default_factory=dict)
    errors: dict[str, str] = msgspec.field(default_factory=dict)
    proofs: dict[str, str] = msgspec.field(default_factory=dict)
    notes: dict[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, fields: Sequence[tuple[str, str]], files: Mapping[str, File] | None = None) -> Self:
        """A form from its submitted fields."""
        form = cls(files=dict(files or {}))
        form._fill(fields)
        return form

    @classmethod
    def empty(cls, **values: str) -> Self:
        """A form that was not submitted yet, with its first values."""
        return cls(values=dict(values), lists={name: [value] for name, value in values.items()})

    def fill_again(
        self, fields: Sequence[tuple[str, str]], errors: Mapping[str, str], proofs: Mapping[str, str]
    ) -> None:
        """Put in what was typed before, in place of the first values."""
        self.values.clear()
        self.lists.clear()
        self._fill(fields)
        self.errors, self.proofs = dict(errors), dict(proofs)

    def _fill(self, fields: Sequence[tuple[str, str]]) -> None:
        for name, value in fields:
            self.values[name] = value
            self.lists.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """A field without surrounding space and without bidirectional controls; `default` where it is then empty."""
        return without_direction_controls(self.values.get(name, "")).strip() or default

    def secret(self, name: str) -> str:
        """A field exactly as it was typed: passwords may begin with a space."""
        return self.values.get(name, "")

    def has(self, name: str) -> bool:
        """Whether a field was sent: a checkbox was ticked."""
        return name in self.values

    def many(self, name: str) -> list[str]:
        """All values of a field."""
        return list(self.lists.get(name, ()))

    def fields(self) -> list[tuple[str, str]]:
        """Every field with each of its values, for the hidden fields of another page."""
        return [(name, value) for name, values in self.lists.items() for value in values]

    def forget(self, *names: str) -> None:
        """Remove fields that a page must not show again: passwords and codes."""
        for name in names:
            self.values.pop(name, None)
            self.lists.pop(name, None)

    def record(self, name: str, words: str) -> None:
        """Record an error of a field, or with `""` of the whole form, and go on. A field keeps its first error."""
        self.errors.setdefault(name, sentence(name, words))

    def refuse(self, name: str, words: str) -> "FormRefused":
        """Record an error, and return the exception to raise."""
        self.record(name, words)
        return FormRefused(self)

    def refuse_if_wrong(self) -> None:
        """Raise FormRefused if an error was recorded."""
        if self.errors:
            raise FormRefused(self)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Record an error of a service, or of a reader that raises, and go on after the block."""
        try:
            with self.catching():
                yield
        except FormRefused:
            pass

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Turn ApiError into errors of this form. Raises FormRefused.

        Errors of the form `field: words` are about that field, where their code says so; others are about the whole
        form. 403, 404 and INTERNAL are not about the form and are raised unchanged, except for a cap that is used up.
        """
        try:
            yield
        except ApiError as error:
            if error.code not in _ABOUT_A_FIELD and (
                error.status in _NOT_ABOUT_THE_FORM or error.code is Code.INTERNAL
            ):
                raise
            for one in (error, *error.others):
                about = _FIELD_AND_WORDS.fullmatch(one.message) if one.code in _ABOUT_A_FIELD else None
                self.record(*(about.groups() if about else ("", one.message)))
            raise FormRefused(self) from error


async def read(request: Request[Any, Any, Any]) -> Form:
    """The form of a request, urlencoded or multipart. Raises INVALID_INPUT, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE.

    The router bounds the body (`request_max_body_size`).
    """
    media_type, _ = request.content_type
    if media_type == "application/x-www-form-urlencoded":
        return Form.of(_checked(_urlencoded(await request.body())))
    if media_type == "multipart/form-data":
        return await _multipart(request)
    if not await request.body():
        return Form()
    raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "a form is expected here")


def _urlencoded(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, separator="&"
        )
    except ValueError:  # UnicodeDecodeError too
        raise invalid("form", "can't be read") from None


async def _multipart(request: Request[Any, Any, Any]) -> Form:
    sent = await request.form()
    fields: list[tuple[str, str]] = []
    files: dict[str, File] = {}
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            data = await value.read()
            if value.filename or data:
                files[name] = File(value.filename or "", value.content_type, data)
        elif isinstance(value, str):
            fields.append((name, value))
    return Form.of(_checked(fields), files)


def _checked(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Refuse NUL, which no column can hold."""
    for name, value in fields:
        if "\0" in name or "\0" in value:
            raise invalid("form", "must not hold NUL characters")
    return fields
