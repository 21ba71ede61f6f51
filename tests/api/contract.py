"""What the API promises, one fact a line: `contract.txt`, the companion of docs/changelog.md.

`make contract` records it anew after a change, so that a review sees what has moved. It refuses where a fact is gone
that `removed.txt` doesn't name with its reason: what may be removed, and when, is in docs/versions.md.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.api.openapi import document
from app.api.v1.router import merchant_api
from app.api_keys.authentication import Authenticator
from app.api_keys.deprecated_calls import DeprecatedCalls
from app.core.settings import load
from app.web.rate_limits import RateLimiter
from app.wiring import wire
from tests.factories.deployment import environment_of

FOLDER = Path(__file__).parent
RECORDED = FOLDER / "contract.txt"
REMOVED = FOLDER / "removed.txt"
LIMITS = ("const", "format", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems")


def main() -> int:
    """Record the facts of today; 1 and a message where some are gone without a reason."""
    now = facts(described())
    lost = [fact for fact in recorded() if fact not in set(now) and fact not in removed()]
    if lost:
        print(
            "These facts of the API are gone. Each breaks programs that rely on it. Where that is meant, name them in"
        )
        print(f"{REMOVED.name} with the reason, and in docs/changelog.md:\n\n" + "\n".join(lost))
        return 1
    RECORDED.write_text("\n".join(now) + "\n")
    print(f"{len(now)} facts")
    return 0


def described() -> dict[str, Any]:
    """The OpenAPI document of today."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load(environment_of("postgresql://nobody@127.0.0.1/none", "redis://127.0.0.1:1/0", Path(folder)))
        api = merchant_api(wire(settings), Authenticator(settings.api_key_peppers), RateLimiter(), DeprecatedCalls())
        return document(api, settings.public_url)


def recorded() -> list[str]:
    """The facts that were recorded."""
    return RECORDED.read_text().splitlines() if RECORDED.exists() else []


def removed() -> dict[str, str]:
    """Facts that went on purpose, with the reason: the lines `FACT | REASON`."""
    lines = [line for line in REMOVED.read_text().splitlines() if line and not line.startswith("#")]
    return {fact.strip(): reason.strip() for fact, _, reason in (line.rpartition(" | ") for line in lines)}


def facts(described: Mapping[str, Any]) -> list[str]:
    """Every operation, parameter, field, value, event and error code, in alphabetical order."""
    found = set(_of_operations(described["paths"])) | set(_of_schemas(described["components"]["schemas"]))
    found |= {
        f"event {type} {_type(_content(event['post'])['schema'])}" for type, event in described["webhooks"].items()
    }
    return sorted(found)


def _of_operations(paths: Mapping[str, Any]) -> Iterator[str]:
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    codes = {
        operation["operationId"]: {
            f"{status} {code}" for status, of_status in operation["x-error-codes"].items() for code in of_status
        }
        for _, operation in operations
    }
    everywhere = set.intersection(*codes.values())
    yield from (f"every operation may answer {code}" for code in everywhere)
    for route, operation in operations:
        name = operation["operationId"]
        yield f"{name} is {route}"
        yield from (f"{name} may answer {code}" for code in codes[name] - everywhere)
        for parameter in operation["parameters"]:
            kind = "required" if parameter["required"] else "optional"
            yield f"{name} takes {parameter['name']} in {parameter['in']}: {_type(parameter['schema'])}, {kind}"
        if "requestBody" in operation:
            yield f"{name} takes a body: {_type(_content(operation)['schema'])}"
        for status, response in operation["responses"].items():
            if status < "300":
                content = response.get("content", {}).get("application/json")
                yield f"{name} answers {status}: {_type(content['schema']) if content else 'nothing'}"


def _of_schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield from (f"{name} may be {value}" for value in schema.get("enum", schema.get("x-extensible-enum", ())))
        for field, about in schema.get("properties", {}).items():
            kind = "required" if field in schema.get("required", ()) else "optional"
            yield f"{name} has {field}: {_type(about)}, {kind}"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    limits = " ".join(f"{limit}={schema[limit]}" for limit in LIMITS if limit in schema)
    kind = f"list of {_type(schema['items'])}" if "items" in schema else schema["type"]
    return f"{kind} ({limits})" if limits else str(kind)


def _content(operation: Mapping[str, Any]) -> Any:
    return operation["requestBody"]["content"]["application/json"]


if __name__ == "__main__":
    sys.exit(main())
