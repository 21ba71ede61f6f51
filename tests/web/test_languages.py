"""The catalogues are complete, in step with the sources, and keep placeholders and marks."""

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from string import Formatter

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from app.core.resources import LOCALES
from app.web import languages
from app.web.languages import choose

ROOT = Path(__file__).parents[2]
CODES = [language.code for language in languages.every() if language.code != "en"]
LANGUAGE = {language.code: language for language in languages.every()}
ANY_NUMBER_OF = re.compile(r"%\(n\)s")
SAME_IN_SPANISH_OR_GERMAN: set[str] = set()


def catalogue(code: str) -> Catalog:
    name = code.replace("-", "_")
    with (LOCALES / name / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=name)


def sentences(code: str) -> Iterator[tuple[Message, list[str], list[str]]]:
    """Each entry with its source's and its own forms."""
    for message in catalogue(code):
        if message.id:
            ids = list(message.id) if isinstance(message.id, tuple) else [message.id]
            strings = list(message.string) if isinstance(message.string, tuple) else [message.string]
            yield message, [str(each) for each in ids], [str(each or "") for each in strings]


@pytest.fixture(scope="module")
def in_sources() -> set[object]:
    """Every sentence in the sources, found as `pybabel extract -F pyproject.toml` finds them."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods, options = [], {}
    for mapping in mappings:
        patterns = mapping["pattern"] if isinstance(mapping["pattern"], list) else [mapping["pattern"]]
        for pattern in patterns:
            methods.append((pattern, mapping["method"]))
            options[pattern] = {name: value for name, value in mapping.items() if name not in ("pattern", "method")}
    found: set[object] = set()
    for folder in ("app", "templates"):
        inside = [
            (pattern.removeprefix(f"{folder}/"), method) for pattern, method in methods if pattern.startswith(folder)
        ]
        chosen = {pattern.removeprefix(f"{folder}/"): each for pattern, each in options.items()}
        found |= {each[2] for each in extract_from_dir(ROOT / folder, inside, chosen)}
    assert len(found) > 80
    return found


@pytest.mark.parametrize("code", CODES)
def test_a_catalogue_is_in_step_with_the_sources_and_whole(code: str, in_sources: set[object]) -> None:
    entries = list(sentences(code))
    assert {message.id for message, _, _ in entries} == in_sources
    assert [ids for message, ids, strings in entries if message.fuzzy or not all(strings)] == []
    assert not catalogue(code).obsolete


@pytest.mark.parametrize("code", CODES)
def test_a_sentence_keeps_its_names_and_marks(code: str) -> None:
    for message, ids, strings in sentences(code):
        for form in strings:
            wanted, got = placeholders(ids[-1]), placeholders(form)
            # A dual or singular may express its number by the word itself.
            assert got == wanted or (message.pluralizable and got == wanted - {"%(n)s"}), form
            assert re.findall(r"</?\w+>", form) == re.findall(r"</?\w+>", ids[0]), form
            assert form == form.strip()
            assert form[-1:] in ".。؟" or ids[0][-1:] not in ".", form


def placeholders(text: str) -> set[str]:
    assert not [field for _, field, _, _ in Formatter().parse(text) if field], "a brace would be a bug"
    return set(re.findall(r"%\(\w+\)[a-z]|%[^(\s]", text))


@pytest.mark.parametrize("code", CODES)
def test_plural_forms_go_by_the_language_s_rules(code: str) -> None:
    locale, plural = Locale.parse(code, sep="-"), catalogue(code)
    form_of: dict[str, int] = {}
    for n in [*range(1_200), 10_000, 1_000_000]:
        index = eval_plural(plural.plural_expr, n)
        rule = locale.plural_form(n) if code != "es" else ("one" if n == 1 else "other")
        assert form_of.setdefault(rule, index) == index, (n, rule)
    assert sorted(form_of.values()) == list(range(plural.num_plurals))


def eval_plural(expression: str, n: int) -> int:
    from gettext import c2py

    return int(c2py(expression)(n))


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
    ("code", "expected"),
    [
        ("en", "Jan 31, 2026, 9:05:00 PM UTC"),
        ("de", "31.01.2026, 21:05:00 UTC"),
        ("es", "31 ene 2026, 21:05:00 UTC"),
        ("zh-Hans", "2026年1月31日 21:05:00 UTC"),
    ],
)
def test_a_moment_reads_as_in_the_language_and_in_utc(code: str, expected: str) -> None:
    east = timezone(timedelta(hours=3))
    moment = LANGUAGE[code].moment(datetime(2026, 2, 1, 0, 5, tzinfo=east))
    assert re.sub(r"\s", " ", moment) == expected
    assert "2026" in LANGUAGE["ar"].moment(datetime(2026, 2, 1, tzinfo=UTC)), "ASCII digits beside ASCII amounts"


def test_figures_are_grouped_as_in_the_language() -> None:
    assert [LANGUAGE[code].count(10_080) for code in ("en", "de", "ar")] == ["10,080", "10.080", "10,080"]


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
    ],
)
def test_the_language_is_the_one_asked_for_or_the_best_accepted(
    wanted_code: str | None, header: str, code: str
) -> None:
    assert choose(wanted_code, header).code == code


def test_only_arabic_runs_from_the_right() -> None:
    assert [each.code for each in languages.every() if each.direction == "rtl"] == ["ar"]
    assert LANGUAGE["ar"].isolate("Tron (TRC-20)") == "\u2068Tron (TRC-20)\u2069"
    assert LANGUAGE["de"].isolate("Tron") == "Tron"
