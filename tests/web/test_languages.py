"""The catalogues are complete, in step with the sources, and keep placeholders and marks."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from gettext import c2py
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message

from app.web import languages
from app.web.languages import catalogue_path, choose
from tests import catalogues
from tests.catalogues import CODES, forms, in_sources, in_step, read, untranslated

LANGUAGE = {language.code: language for language in languages.every()}
END_OF_SENTENCE = ".。।؟"
FEW_MILLIONS = {"es", "fr", "it", "pt"}
"""Where Unicode has a form of its own for whole millions, which no sentence here counts."""


def sentences(code: str) -> Iterator[tuple[Message, list[str], list[str]]]:
    """Each entry with its source's and its own forms."""
    for message in read(code):
        if message.id:
            yield message, forms(message.id), forms(message.string)


@pytest.fixture(scope="module")
def template() -> Catalog:
    """Every sentence in the sources."""
    found = in_sources()
    assert len(found) > 80
    return found


@pytest.mark.parametrize("code", CODES)
def test_a_catalogue_is_in_step_with_the_sources_and_whole(code: str, template: Catalog) -> None:
    catalogue = read(code)
    assert {message.id for message in catalogue if message.id} == {each.id for each in template if each.id}
    assert [message.id for message in untranslated(catalogue)] == []
    assert not catalogue.obsolete


def test_bringing_a_catalogue_in_step_keeps_translations_and_names_what_is_missing(
    template: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence that is gone is deleted, one that is new gets an empty entry, and nothing else changes."""
    before = catalogue_path("pl").read_text()
    here = tmp_path / "pl" / "messages.po"
    here.parent.mkdir()
    monkeypatch.setattr(catalogues, "catalogue_path", lambda code: tmp_path / code / "messages.po")
    gone = '\n\nmsgid "An old sentence"\nmsgstr "Stare zdanie"\n'
    here.write_text(before.replace('\n\nmsgid "Print"\nmsgstr "Drukuj"', "") + gone)

    assert catalogues.main(["pl", "vi"]) == 1

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "pl: Print"
    assert len(printed) == len([each for each in template if each.id]) + 1, "a language without a catalogue lacks all"
    assert here.read_text() == before.replace('"Drukuj"', '""')
    assert in_step("vi", template).num_plurals == 1


@pytest.mark.parametrize("code", CODES)
def test_a_sentence_keeps_its_names_and_marks(code: str) -> None:
    for message, ids, strings in sentences(code):
        for form in strings:
            wanted, got = placeholders(ids[-1]), placeholders(form)
            # A dual or singular may express its number by the word itself.
            assert got == wanted or (message.pluralizable and code == "ar" and got == wanted - {"%(n)s"}), form
            assert re.findall(r"</?\w+>", form) == re.findall(r"</?\w+>", ids[0]), form
            assert form == form.strip()
            assert form[-1] in END_OF_SENTENCE or ids[0][-1] != ".", form


def placeholders(text: str) -> set[str]:
    assert not [field for _, field, _, _ in Formatter().parse(text) if field], "a brace would be a bug"
    return set(re.findall(r"%\(\w+\)[a-z]|%[^(\s]", text))


@pytest.mark.parametrize("code", CODES)
def test_plural_forms_go_by_the_language_s_rules(code: str) -> None:
    locale, plural = Locale.parse(code, sep="-"), read(code)
    form, form_of = c2py(plural.plural_expr), dict[str, int]()
    for n in [*range(1_200), 10_000, 1_000_000]:
        index = form(n)
        rule = locale.plural_form(n)
        if rule == "many" and code in FEW_MILLIONS:
            rule = "other"
        assert form_of.setdefault(rule, index) == index, (n, rule)
    assert sorted(form_of.values()) == list(range(plural.num_plurals))


@pytest.mark.parametrize("code", CODES)
def test_every_form_of_a_sentence_counts(code: str) -> None:
    """All forms are there: a missing one would be empty on the page for some numbers alone."""
    plurals = read(code).num_plurals
    for message, _, strings in sentences(code):
        assert len(strings) == (plurals if message.pluralizable else 1), message.id


def test_arabic_has_its_plural_forms() -> None:
    def minutes(n: int) -> str:
        arabic = LANGUAGE["ar"]
        return arabic.ngettext("About %(n)s minute to go", "About %(n)s minutes to go", n) % {"n": arabic.count(n)}

    assert [minutes(n).removeprefix("يتبقى نحو ") for n in (1, 2, 3, 10, 11, 40)] == [
        "دقيقة واحدة",
        "دقيقتين",
        "3 دقائق",
        "10 دقائق",
        "11 دقيقة",
        "40 دقيقة",
    ]


@pytest.mark.parametrize(
    ("code", "n", "text"),
    [
        ("pl", 1, "1 dzień"),
        ("pl", 2, "2 dni"),
        ("uk", 1, "1 день"),
        ("uk", 3, "3 дні"),
        ("uk", 5, "5 днів"),
        ("uk", 11, "11 днів"),
        ("uk", 21, "21 день"),
        ("fr", 0, "0\N{NO-BREAK SPACE}jour"),
        ("hi", 2, "2 दिन"),
        ("ja", 2, "2 日"),
    ],
)
def test_days_are_counted_as_the_language_counts(code: str, n: int, text: str) -> None:
    language = LANGUAGE[code]
    assert language.ngettext("%(n)s day", "%(n)s days", n) % {"n": language.count(n)} == text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", "31 Jan 2026, 21:05 UTC"),
        ("de", "31.01.2026, 21:05 UTC"),
        ("es", "31 ene 2026, 21:05 UTC"),
        ("zh-Hans", "2026年1月31日 21:05 UTC"),
        ("fr", "31 janv. 2026, 21:05 UTC"),
        ("pl", "31 sty 2026, 21:05 UTC"),
    ],
)
def test_a_moment_reads_as_in_the_language_and_in_utc(code: str, expected: str) -> None:
    east = timezone(timedelta(hours=3))
    moment = LANGUAGE[code].moment(datetime(2026, 2, 1, 0, 5, tzinfo=east))
    assert re.sub(r"\s", " ", moment) == expected


@pytest.mark.parametrize("code", CODES)
def test_digits_are_ascii_and_dates_gregorian_beside_amounts(code: str) -> None:
    language = LANGUAGE[code]
    for text in (language.moment(datetime(2026, 2, 1, tzinfo=UTC)), language.count(1_234_567)):
        assert all(each in "0123456789" for each in text if each.isdigit()), text
    assert "2026" in language.moment(datetime(2026, 2, 1, tzinfo=UTC))


def test_figures_are_grouped_as_in_the_language() -> None:
    grouped = {"en": "10,080", "de": "10.080", "fr": "10\u202f080", "ar": "10,080", "fa": "10,080"}
    assert {code: LANGUAGE[code].count(10_080) for code in grouped} == grouped
    assert LANGUAGE["hi"].count(1_234_567) == "12,34,567"


@pytest.mark.parametrize(
    ("wanted_code", "header", "code"),
    [
        (None, "", "en"),
        ("de", "ar", "de"),
        ("DE-ch", "", "de"),
        ("zh-Hans", "", "zh-Hans"),
        ("tlh", "es-419,es;q=0.9", "es"),
        (None, "en;q=0.2, ar;q=0.9", "ar"),
        (None, "de;q=0, es", "es"),
        (None, "de;q=2, *", "en"),
        (None, ",;q=,;;,de;q=abc,\0", "en"),
        (None, "xx," * 5_000 + "de", "en"),
        (None, "zh-" * 5_000 + "TW", "zh-Hant"),
        (None, "zh-TW,zh;q=0.9", "zh-Hant"),
        (None, "zh-HK", "zh-Hant"),
        (None, "zh-hant-MO", "zh-Hant"),
        (None, "zh-Hant", "zh-Hant"),
        (None, "zh-Hans-HK", "zh-Hans"),
        (None, "zh-CN", "zh-Hans"),
        (None, "zh-SG", "zh-Hans"),
        (None, "zh", "zh-Hans"),
        ("zh_TW", "de", "zh-Hant"),
        (None, "pt-PT,en;q=0.5", "pt"),
        (None, "pt-BR", "pt"),
        (None, "in-ID", "id"),
        (None, "uk-UA,ru;q=0.8,en;q=0.4", "uk"),
        (None, "fa-IR", "fa"),
        (None, "sv-SE", "en"),
        (None, "sv,nb;q=0.9", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_best_accepted(
    wanted_code: str | None, header: str, code: str
) -> None:
    assert choose(wanted_code, header).code == code


def test_arabic_and_persian_run_from_the_right() -> None:
    assert [each.code for each in languages.every() if each.direction == "rtl"] == ["ar", "fa"]
    assert all(each.direction == Locale.parse(each.code, sep="-").text_direction for each in languages.every())
    for code in ("ar", "fa"):
        assert LANGUAGE[code].isolate("Tron (TRC-20)") == "\u2068Tron (TRC-20)\u2069"
    assert LANGUAGE["de"].isolate("Tron") == "Tron"


def test_eighteen_languages_are_there_each_with_a_name_of_its_own() -> None:
    assert {each.code for each in languages.every()} == {"en", *CODES}
    assert len({each.name for each in languages.every()}) == 18
