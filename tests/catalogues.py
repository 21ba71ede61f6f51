"""Brings the catalogues of customers' sentences in step with the sources: `python -m tests.catalogues`.

Sentences that are new get an empty entry, those that are gone are deleted, and the rest keeps its translation, in the
order of the sources. A language that `app/web/languages.py` names and that has no catalogue gets one. Prints what has
to be translated, and exits with 1 if that is anything. Run twice, it changes nothing the second time.
"""

import sys
import tomllib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from app.web.languages import NAMES, catalogue_path

ROOT = Path(__file__).parents[1]
FOLDERS = ("app", "templates")
CODES = tuple(code for code in NAMES if code != "en")
"""The languages that have a catalogue."""

HEADER = """\
# Swap Pay's words for customers. How to change them: docs/languages.md
msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {plural_forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
"""Without dates and versions, so that a catalogue changes only where its sentences do."""

LINE_CHARS = 100


def main(codes: Iterable[str] = CODES) -> int:
    """Update the catalogue of each language. Returns the exit status."""
    template = in_sources()
    missing = 0
    for code in codes:
        catalogue = in_step(code, template)
        write(code, catalogue)
        for message in untranslated(catalogue):
            missing += 1
            print(f"{code}: {message.id}")
    return 1 if missing else 0


def in_sources() -> Catalog:
    """Every sentence of the sources, as `pybabel extract -F pyproject.toml` finds them, by files and lines."""
    found = []
    for folder in FOLDERS:
        methods, options = _mappings(folder)
        for name, line, sentence, _, context in extract_from_dir(ROOT / folder, methods, options):
            found.append((f"{folder}/{name}", line, sentence, context))
    template = Catalog()
    for _, _, sentence, context in sorted(found, key=lambda each: each[:2]):
        template.add(sentence, context=context)
    return template


def _mappings(folder: str) -> tuple[list[tuple[str, str]], dict[str, dict[str, str]]]:
    """The entries of `[tool.babel]` that lie in this folder: how each pattern is read, and its options."""
    methods, options = [], {}
    for mapping in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]:
        patterns = mapping["pattern"] if isinstance(mapping["pattern"], list) else [mapping["pattern"]]
        for pattern in patterns:
            if pattern.startswith(f"{folder}/"):
                inside = pattern.removeprefix(f"{folder}/")
                methods.append((inside, mapping["method"]))
                options[inside] = {name: value for name, value in mapping.items() if name not in ("pattern", "method")}
    return methods, options


def read(code: str) -> Catalog:
    """The catalogue of a language as it is. Raises FileNotFoundError."""
    with catalogue_path(code).open("rb") as file:
        return read_po(file, locale=_locale(code))


def in_step(code: str, template: Catalog) -> Catalog:
    """The catalogue with exactly the sentences of the template, in its order, and the translations that it had."""
    before = read(code) if catalogue_path(code).exists() else Catalog(_locale(code))
    catalogue = Catalog(_locale(code))
    catalogue.mime_headers = [("Plural-Forms", before.plural_forms)]  # Babel's rule where the catalogue is new
    for message in template:
        if message.id:
            known = before.get(message.id, message.context) or message
            catalogue.add(message.id, known.string, context=message.context, flags=known.flags)
    return catalogue


def write(code: str, catalogue: Catalog) -> None:
    """Write the catalogue to its file."""
    text = BytesIO()
    write_po(text, catalogue, width=LINE_CHARS, no_location=True, omit_header=True)
    header = HEADER.format(language=_locale(code), plural_forms=catalogue.plural_forms)
    path = catalogue_path(code)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(header + text.getvalue().decode().strip() + "\n")


def untranslated(catalogue: Catalog) -> list[Message]:
    """The entries that have no words yet, or not in each plural form, and those that are marked as uncertain."""
    return [each for each in catalogue if each.id and (each.fuzzy or not all(forms(each.string)))]


def forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """The forms of a sentence: one, or one for each plural."""
    return list(text) if isinstance(text, (list, tuple)) else [text or ""]


def _locale(code: str) -> str:
    return code.replace("-", "_")


if __name__ == "__main__":
    sys.exit(main())
