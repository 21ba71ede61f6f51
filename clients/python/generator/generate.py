"""Make what is made of the client: `_generated` from the OpenAPI document, `_sync` from `_async`.

    make clients

runs it with the tools of `requirements-clients.lock`. What it was made from is recorded in `_generated/made_from.json`;
a test compares that, so that neither side moves alone.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import unasync

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import digests  # noqa: E402 - beside this file

PACKAGE = HERE.parent / "src" / "swap_pay"
GENERATED, ASYNC, SYNC = PACKAGE / "_generated", PACKAGE / "_async", PACKAGE / "_sync"
TOOLS = Path(sys.executable).parent

TO_SYNC = {
    "AsyncClient": "Client",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncPages": "Pages",
    "AsyncSwapPay": "SwapPay",
    "AsyncTransport": "Transport",
    "aclose": "close",
    "sleep_async": "sleep",
    "_async": "_sync",
}
"""The names of the asynchronous client and those of the other one; unasync knows the words of the language itself."""

HAND_WRITTEN_ERRORS = ("DUPLICATE_ORDER_ID",)
STATUS_CLASSES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "ResourceNotFound",
    409: "Conflict",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
}
"""As in `_failures.py`."""


def main(document_path: Path) -> None:
    """Make everything anew. Raises CalledProcessError where a tool fails."""
    document = json.loads(document_path.read_text())
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "_generated"
        generate(document_path, made)
        (made / "errors.py").write_text(error_classes(document))
        shutil.rmtree(GENERATED, ignore_errors=True)
        shutil.copytree(made, GENERATED)
    to_sync()
    for arguments in (["check", "--quiet", "--fix-only", "--select", "F401,I,UP"], ["format", "--quiet"]):
        config = str(HERE.parent / "pyproject.toml")
        subprocess.run([TOOLS / "ruff", *arguments, "--config", config, GENERATED, SYNC], check=True)  # noqa: S603
    record = {"document": digests.of_document(document), "files": digests.of_files(PACKAGE)}
    (GENERATED / "made_from.json").write_text(json.dumps(record, indent=2) + "\n")


def generate(document_path: Path, folder: Path) -> None:
    """The models and requests, by openapi-python-client with our templates."""
    subprocess.run(  # noqa: S603
        [
            *(TOOLS / "openapi-python-client", "generate", "--meta", "none", "--fail-on-warning"),
            *("--path", document_path, "--output-path", folder),
            *("--config", HERE / "config.yaml", "--custom-template-path", HERE / "templates"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (folder / "client.py").unlink()  # ours are in `_async` and `_sync`


def error_classes(document: dict[str, Any]) -> str:
    """A class for each error code that an operation has, below the class of its status."""
    codes: dict[str, int] = {}
    advice: dict[str, str] = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, names in operation["x-error-codes"].items():
                codes.update(dict.fromkeys(names, int(status)))
    for response in document["components"]["responses"].values():
        for content in response["content"].values():
            advice.update({name: example["summary"] for name, example in content.get("examples", {}).items()})
    lines = [
        '"""A class for each error code of the API."""',
        "from __future__ import annotations",
        "from swap_pay import _failures",
        "from swap_pay._failures import SwapPayError",
    ]
    names = {code: class_name(code) for code in sorted(codes)}
    for code, name in names.items():
        if code in HAND_WRITTEN_ERRORS:
            lines.append(f"{name} = _failures.{name}")
            continue
        base = STATUS_CLASSES.get(codes[code], "ServerError" if codes[code] >= 500 else "ClientError")
        lines.append(f'class {name}(_failures.{base}):\n    """{advice.get(code, code)}"""')
    lines.append("BY_CODE: dict[str, type[SwapPayError]] = {")
    lines += [f'    "{code}": {name},' for code, name in names.items()]
    lines += ["}", f"__all__ = {['BY_CODE', *names.values()]!r}"]
    return "\n".join(lines) + "\n"


def class_name(code: str) -> str:
    """`DUPLICATE_ORDER_ID` as `DuplicateOrderId`."""
    return "".join(word.capitalize() for word in code.split("_"))


def to_sync() -> None:
    """The synchronous client: the asynchronous one without its words."""
    shutil.rmtree(SYNC, ignore_errors=True)
    rule = unasync.Rule(fromdir="/_async/", todir="/_sync/", additional_replacements=TO_SYNC)
    unasync.unasync_files([str(path) for path in ASYNC.glob("*.py")], rules=[rule])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
