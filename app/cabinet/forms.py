"""Fields of the cabinet's forms that hold text. An error is recorded, and the reader returns a neutral value."""

from app.identity.forms import Form


def optional(form: Form, name: str, most: int) -> str | None:
    """A field that may be left empty. Records an error if it has more than `most` characters."""
    text = form.text(name).replace("\r\n", "\n")
    if len(text) > most:
        form.record(name, f"must have at most {most} characters")
    return text or None


def required(form: Form, name: str, words: str) -> str:
    """A field that must not be empty. Records `words` if it is."""
    text = form.text(name)
    if not text:
        form.record(name, words)
    return text


def one_of(form: Form, name: str, allowed: object, words: str) -> str:
    """A choice among `allowed`, which knows `in`. Records `words` for anything else, and returns an empty text."""
    text = form.text(name)
    if text in allowed:  # type: ignore[operator]
        return text
    form.record(name, words)
    return ""
