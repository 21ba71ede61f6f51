"""The plug-in's sentences: collects them into languages/*.pot, and brings the catalogues in step with it.

    python clients/woocommerce/words.py            writes them, and prints what has no translation yet
    python clients/woocommerce/words.py --check    writes nothing; exits with 1 if something would change or is missing

The files are gettext's, as WordPress reads them. pack.py compiles them.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

DOMAIN = "swap-pay-for-woocommerce"
PLUGIN = Path(__file__).parent / DOMAIN
LANGUAGES = PLUGIN / "languages"

_SENTENCE = re.compile(rf"\b(?:esc_html__|__)\(\s*'((?:[^'\\]|\\.)*)',\s*'{DOMAIN}'\s*\)")
_COMMENT = re.compile(r"/\* (translators: .*?) \*/")
_CHANGING = re.compile(
    r'^"(Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Generated-By): .*\n',
    re.MULTILINE,
)
_DESCRIPTION = re.compile(r"^ \* Description: +(.*)$", re.MULTILINE)


def template() -> Catalog:
    """Every sentence of the plug-in's PHP, with what translators are told about it."""
    catalog = Catalog(project="Swap Pay for WooCommerce", version="1.0.0", charset="utf-8", fuzzy=False)
    catalog.header_comment = "# Sentences of Swap Pay for WooCommerce. The same licence as the plug-in's."
    for path, line, sentence, comment in _found():
        place = (path.relative_to(PLUGIN).as_posix(), line)
        catalog.add(sentence, locations=[place], auto_comments=[comment] if comment else [])
    return catalog


def _found() -> Iterator[tuple[Path, int, str, str]]:
    main = PLUGIN / f"{DOMAIN}.php"
    description = _DESCRIPTION.search(main.read_text())
    assert description is not None, "the plug-in's header has no description"
    yield main, 1, description[1], "translators: description of the plug-in"
    for path in sorted(PLUGIN.rglob("*.php")):
        source = path.read_text()
        for match in _SENTENCE.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            nearby = "\n".join(source.split("\n")[max(0, line - 3) : line])
            comments = _COMMENT.findall(nearby)
            sentence = re.sub(r"\\(['\\])", r"\1", match[1])
            yield path, line, sentence, comments[-1] if comments and "%" in sentence else ""


def _text(catalog: Catalog) -> str:
    """A file's text. Without dates and places' lines, which would change it each time."""
    written = io.BytesIO()
    write_po(written, catalog, width=120, include_lineno=False, sort_output=False, ignore_obsolete=True)
    return _CHANGING.sub("", written.getvalue().decode())


def main(is_check: bool) -> int:
    """Write or check all files. Returns the exit code."""
    new = template()
    texts = {LANGUAGES / f"{DOMAIN}.pot": _text(new)}
    missing = []
    for path in sorted(LANGUAGES.glob("*.po")):
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.stem.removeprefix(f"{DOMAIN}-"))
        catalog.update(new, no_fuzzy_matching=True)
        texts[path] = _text(catalog)
        missing += [f"{path.name}: {message.id}" for message in catalog if message.id and not message.string]
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text() != text]
    for line in [*missing, *(f"{path.name} is not in step" for path in stale if is_check)]:
        print(line)
    if not is_check:
        for path in stale:
            path.write_text(texts[path])
    return 1 if missing or (is_check and stale) else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
