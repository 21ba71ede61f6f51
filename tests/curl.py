"""The options of curl that README and guides use, for a machine without curl, so that their examples still run."""

import argparse
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from app.sandbox.home import ROOT


def path_with_curl(environment: Mapping[str, str], folder: Path) -> str:
    """A PATH with curl: unchanged if there is one, else with this module's curl, in `folder`, first."""
    path = environment["PATH"]
    if shutil.which("curl", path=path) is not None:
        return path
    stand_in = folder / "curl"
    stand_in.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m tests.curl "$@"\n'
    )
    stand_in.chmod(0o755)
    return f"{folder}:{path}"


def main(arguments: list[str]) -> int:
    """Make one request like curl. Returns the exit status."""
    options = argparse.ArgumentParser(prog="curl")
    options.add_argument("url")
    options.add_argument("-s", "-sS", action="store_true")
    options.add_argument("-X", dest="method")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("-d", dest="data")
    options.add_argument("-D", dest="headers_to", choices=["-"])
    options.add_argument("-o", dest="body_to", choices=["/dev/null"])
    options.add_argument("-w", dest="after", default="")
    parsed = options.parse_args(arguments)
    headers = dict(line.split(": ", 1) for line in parsed.headers)
    method = parsed.method or ("GET" if parsed.data is None else "POST")
    try:
        answer = httpx.request(method, parsed.url, headers=headers, content=parsed.data, trust_env=False)
    except httpx.TransportError as error:
        print(f"curl: {error}", file=sys.stderr)
        return 7
    if parsed.headers_to:
        lines = [f"HTTP/1.1 {answer.status_code}", *(f"{name}: {value}" for name, value in answer.headers.items())]
        print("\r\n".join([*lines, "", ""]), end="")
    if not parsed.body_to:
        print(answer.text, end="")
    print(parsed.after.replace("%{http_code}", str(answer.status_code)).replace("\\n", "\n"), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
