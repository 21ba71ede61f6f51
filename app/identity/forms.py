"""A submitted form: its fields, and the errors with which a page shows it again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl

from litestar import Request
from litestar.datastructures import UploadFile

from app.core.errors import ApiError, Code, invalid
from app.core.money import group_amounts
from app.core.text import without_direction_controls

MAX_FIELDS = 1_000
"""No page of ours has more fields."""

CSRF_FIELD = "csrf_token"

_ABOUT_A_FIELD = re.compile(r"([a-z][a-z0-9_.]*): (.+)", re.DOTALL)

_NOT_ABOUT_THE_FORM = (403, 404)


class FormRefused(Exception):
    """A form has errors; they are in its `errors`."""

    def __init__(self, form: "Form") -> None:
        super().__init__("the form was refused")
        self.form = form


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded file. Its name and media type are what the client claims."""

    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)
class Form:
    """A form's fields. `values` has the last of each name, `lists` all of them; `errors` has messages by field,
    under `""` those about the whole form."""

    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Sequence[tuple[str, str]], files: Mapping[str, File] | None = None) -> Self:
        """A form from its submitted fields."""
        form = cls(files=dict(files or {}))
        for name, value in fields:
            form.values[name] = value
            form.lists.setdefault(name, []).append(value)
        return form

    @classmethod
    def empty(cls, **values: str) -> Self:
        """A form that was not submitted yet, with its first values."""
        return cls(values=dict(values), lists={name: [value] for name, value in values.items()})

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

    def refuse(self, name: str, words: str) -> "FormRefused":
        """Record an error of a field, or with `""` of the whole form, and return the exception to raise."""
        self.errors[name] = _sentence(words)
        return FormRefused(self)

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Turn ApiError into an error of this form. Raises FormRefused.

        INVALID_INPUT of the form `field: words` is about that field, other errors about the whole form. 403, 404 and
        INTERNAL are not about the form and are raised unchanged.
        """
        try:
            yield
        except ApiError as error:
            if error.status in _NOT_ABOUT_THE_FORM or error.code is Code.INTERNAL:
                raise
            about = _ABOUT_A_FIELD.fullmatch(error.message) if error.code is Code.INVALID_INPUT else None
            name, words = about.groups() if about else ("", error.message)
            raise self.refuse(name, words) from error


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


def _sentence(words: str) -> str:
    return group_amounts(words[:1].upper() + words[1:])
