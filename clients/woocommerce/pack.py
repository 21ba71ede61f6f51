"""Packs the plug-in as WordPress installs it: one zip, with compiled catalogues. The same files give the same bytes.

python clients/woocommerce/pack.py FOLDER    writes FOLDER/swap-pay-for-woocommerce.VERSION.zip and prints its path
"""

import io
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

NAME = "swap-pay-for-woocommerce"
PLUGIN = Path(__file__).parent / NAME

ALSO_FOR = {"de_DE": ("de_DE_formal", "de_AT"), "fr_FR": ("fr_BE", "fr_CA"), "es_ES": ("es_AR", "es_CO", "es_MX")}
"""WordPress looks for the very locale: these read another one's catalogue."""

_WHEN = (2020, 1, 1, 0, 0, 0)


def version() -> str:
    """The version in the plug-in's header. Raises ValueError unless the code and the readme have the same."""
    header = (PLUGIN / f"{NAME}.php").read_text()
    patterns = {
        header: (r"^ \* Version: +(\S+)$", r"'SWAP_PAY_VERSION', '([^']+)'"),
        (PLUGIN / "readme.txt").read_text(): (r"^Stable tag: (\S+)$",),
    }
    found = {re.findall(each, text, re.M)[0] for text, several in patterns.items() for each in several}
    if len(found) != 1:
        raise ValueError(f"the plug-in has several versions: {', '.join(sorted(found))}")
    return str(found.pop())


def files() -> Iterator[tuple[str, bytes]]:
    """The zip's files: path and content."""
    for path in sorted(PLUGIN.rglob("*")):
        if path.is_file() and path.suffix in (".php", ".js", ".css", ".txt", ".pot", ".po"):
            yield f"{NAME}/{path.relative_to(PLUGIN).as_posix()}", path.read_bytes()
    for path in sorted((PLUGIN / "languages").glob("*.po")):
        with path.open("rb") as file:
            catalog = read_po(file)
        compiled = io.BytesIO()
        write_mo(compiled, catalog)
        locale = path.stem.removeprefix(f"{NAME}-")
        for each in (locale, *ALSO_FOR.get(locale, ())):
            yield f"{NAME}/languages/{NAME}-{each}.mo", compiled.getvalue()


def pack(folder: Path) -> Path:
    """Write the zip into a folder. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{NAME}.{version()}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files():
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(entry, content)
    return target


if __name__ == "__main__":
    print(pack(Path(sys.argv[1])))
