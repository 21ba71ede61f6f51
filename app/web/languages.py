"""The languages of customers' pages: the choice for a reader, its sentences, and its formats.

The sentences are gettext catalogues, `app/locales/<code>/LC_MESSAGES/messages.po`, compiled in memory when a process
first needs them (some hundredths of a second), so that no compiled file can be older than its source. English is the
language of the sources and needs none. docs/languages.md says how to change a sentence and how to add a language.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.numbers import format_decimal
from babel.support import Translations

from app.core import resources
from app.core.text import without_direction_controls

MAX_ACCEPTED = 20
"""Entries of `Accept-Language` that are read; browsers send a handful."""

CHOICES_KEPT = 256
"""Browsers of one region send nearly the same header, so a few choices serve nearly all requests."""


GROUPED_FROM = 1_000
"""A smaller number has its digits alone, in every language; Babel would take 20 µs to find that out."""

DURATION_THRESHOLD = 1.5
"""A duration is given in a unit from this many of it on: 80 minutes, 2 hours, 30 hours, 2 days."""


_FROM_THE_RIGHT = frozenset({"ar", "fa"})
"""Languages whose lines run from the right to the left."""


class Language:
    """One language: its sentences by `gettext` and `ngettext`, its forms by Babel.

    Digits are ASCII in every language, Arabic and Persian too: beside an amount and an address, which must be copied
    digit by digit and so never change, digits of another script would only be harder to compare. Dates are Gregorian in
    every language, Persian too: block explorers and exchanges show no others. Names of months, order and separators are
    the reader's.
    """

    def __init__(self, code: str, name: str) -> None:
        self.code = code
        """BCP 47, for `lang=` and `?lang=`."""
        self.name = name
        """In the language itself, for readers who don't know the present one."""
        self.direction: Literal["ltr", "rtl"] = "rtl" if code in _FROM_THE_RIGHT else "ltr"

    # What Babel knows of a language takes a megabyte, so it is read when somebody reads the language.

    @cached_property
    def _locale(self) -> Locale:
        return Locale.parse(self.code, sep="-")

    @cached_property
    def _dates(self) -> Locale:
        return Locale.parse("en_GB") if self.code == "en" else self._locale

    @cached_property
    def _joined(self) -> str:
        """`{1}, {0}`: how a date and a time stand together."""
        return str(self._dates.datetime_formats["medium"]).replace("'", "")

    @cached_property
    def _catalogue(self) -> NullTranslations:
        return NullTranslations() if self.code == "en" else _load(self.code)

    def gettext(self, message: str, /) -> str:
        """The sentence in this language."""
        return self._catalogue.gettext(message)

    def ngettext(self, singular: str, plural: str, n: int, /) -> str:
        """The sentence in the form that goes with `n`: one of six in Arabic, of three in Polish, the same always in
        Chinese."""
        return self._catalogue.ngettext(singular, plural, n)

    def pgettext(self, context: str, message: str, /) -> str:
        """The sentence where one English word has several meanings."""
        return self._catalogue.pgettext(context, message)

    def npgettext(self, context: str, singular: str, plural: str, n: int, /) -> str:
        """`ngettext` where one English word has several meanings."""
        return self._catalogue.npgettext(context, singular, plural, n)

    def isolate(self, text: str) -> str:
        """A name or figure within a sentence, isolated so that its direction doesn't change the sentence's.

        Names are mostly Latin: within Arabic, "Tron (TRC-20)" would lose its last bracket to the other end
        without Unicode's isolates (UAX 9).
        """
        text = without_direction_controls(text)
        return text if self.direction == "ltr" else f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"

    def count(self, n: int) -> str:
        """A number of things, grouped as the language does. Never for amounts of money, which stay exact."""
        return str(n) if 0 <= n < GROUPED_FROM else format_decimal(n, locale=self._locale)

    def moment(self, when: datetime) -> str:
        """Date and time in UTC, marked as UTC; a script may convert it to the reader's zone, in the same form
        (static/js/times.js). In English the day comes before the month, as in the cabinet."""
        day = format_date(when.astimezone(UTC), "medium", locale=self._dates)
        return f"{self._joined.format(f'{when.astimezone(UTC):%H:%M}', day)} UTC"

    def duration(self, duration: timedelta) -> str:
        """A rough duration in words, e.g. `3 hours`."""
        return format_timedelta(duration, granularity="minute", threshold=DURATION_THRESHOLD, locale=self._locale)


ENGLISH = Language("en", "English")

NAMES = {
    "id": "Bahasa Indonesia",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "it": "Italiano",
    "pl": "Polski",
    "pt": "Português",
    "vi": "Tiếng Việt",
    "tr": "Türkçe",
    "uk": "Українська",
    "ar": "العربية",
    "fa": "فارسی",
    "hi": "हिन्दी",
    "ja": "日本語",
    "ko": "한국어",
    "zh-Hans": "简体中文",
    "zh-Hant": "繁體中文",
}
"""Each language in its own words, in the order of the choice on the page: one script after the other, each by its
alphabet. `pt` is written as in Brazil, in words that are also known in Portugal."""

_TRADITIONAL = frozenset({"tw", "hk", "mo"})
"""Where Chinese is written in traditional characters: Taiwan, Hong Kong, Macao."""

_FORMER_CODES = {"in": "id"}
"""ISO 639 had another code for Indonesian until 1989, and some Android phones still send it."""


@cache
def every() -> tuple[Language, ...]:
    """All languages, in the order of the choice on the page."""
    return tuple(ENGLISH if code == "en" else Language(code, name) for code, name in NAMES.items())


@lru_cache(maxsize=CHOICES_KEPT)
def choose(requested: str | None, accept_language: str) -> Language:
    """The reader's language: the one that `?lang=` names, else the best of `Accept-Language`, else English.

    A region chooses between the two ways to write Chinese and is ignored otherwise: a reader of Austrian German gets
    German, one of European Portuguese the Portuguese that we have.
    """
    by_code = _by_code()
    for tag in (requested or "", *_accepted(accept_language)):
        if (language := by_code.get(_code_for(tag))) is not None:
            return language
    return ENGLISH


@cache
def _by_code() -> dict[str, Language]:
    return {language.code: language for language in every()}


def _code_for(tag: str) -> str:
    """The code of the catalogue for a BCP 47 tag, whether we have it or not. `zh_TW` counts as `zh-TW`."""
    language, *subtags = tag.strip().lower().replace("_", "-").split("-")
    if language == "zh":
        is_traditional = "hant" in subtags or (not _TRADITIONAL.isdisjoint(subtags) and "hans" not in subtags)
        return "zh-Hant" if is_traditional else "zh-Hans"
    return _FORMER_CODES.get(language, language)


def _accepted(header: str) -> Sequence[str]:
    """The tags of an `Accept-Language` header (RFC 9110, section 12.5.4), the most wanted first."""

    def weighed() -> Iterator[tuple[float, str]]:
        for entry in header.split(",", MAX_ACCEPTED)[:MAX_ACCEPTED]:
            tag, _, parameter = entry.partition(";")
            name, _, value = parameter.partition("=")
            try:
                weight = float(value) if name.strip().lower() == "q" else 1.0
            except ValueError:
                continue
            if 0 < weight <= 1:
                yield weight, tag

    return [tag for _, tag in sorted(weighed(), key=lambda each: -each[0])]


def catalogue_path(code: str) -> Path:
    """The file with the sentences of a language."""
    return resources.LOCALES / code.replace("-", "_") / "LC_MESSAGES" / "messages.po"


def _load(code: str) -> NullTranslations:
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - English needs neither
    from babel.messages.pofile import read_po  # noqa: PLC0415

    with catalogue_path(code).open("rb") as source:
        catalogue = read_po(source, locale=code.replace("-", "_"))
    compiled = BytesIO()
    write_mo(compiled, catalogue)  # leaves fuzzy entries out
    compiled.seek(0)
    return Translations(compiled)
