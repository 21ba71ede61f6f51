"""What a route says of itself: the one declaration that both the request's reading and the OpenAPI document use.

    @get(
        "/{webhook_id:str}",
        opt=requires(Scope.WEBHOOKS_READ)
        | described(
            "Retrieve a webhook endpoint",
            path={"webhook_id": WEBHOOK_ID},
            errors=[Code.WEBHOOK_NOT_FOUND],
            example=examples.WEBHOOK,
        ),
        operation_id="getWebhook",
    )
    async def read(principal: Principal, webhook_id: str) -> WebhookBody: ...

The document takes the body from the type of `data`, the answer from the return type, the success status, the
operation id and the tags from Litestar's own decorator and router, and field by field the `Meta` of the structs:
give each field a description there. What every route can answer (401, 403, 429, 500, what a body or a scope brings
along) need not be said: `app.api.openapi` adds it. Say here

- `query`: the query parameters. Others are refused with INVALID_INPUT before the handler runs, and so is a request
  that lacks a required one. The handler takes what came as `parameters: Parameters`. Lists add `*PAGE`;
- `path`: each path parameter with its meaning;
- `errors`: the codes of the catalogue that this route alone can raise;
- `example`: the answer, an instance of the return type; `body_example`: the body, as JSON would have it;
- `creates=True`: the route needs an `Idempotency-Key` and answers through `Once`.

A route of the merchant API without a description stops the app from being put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from app.core.errors import Code, invalid
from app.web.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, parse_query

DESCRIPTION = "api_description"
"""Where a route's `opt` holds its `Description`."""

Parameters = dict[str, str]
"""A request's query parameters, by name: declared ones alone, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of the query or the path. `schema` is JSON Schema for its decoded text."""

    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    example: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What `described` was told."""

    summary: str
    text: str
    query: Mapping[str, Parameter]
    path: Mapping[str, Parameter]
    errors: Sequence[Code]
    example: Any
    body_example: Any
    creates: bool

    def read_query(self, query_string: bytes) -> Parameters:
        """The query's parameters. Raises INVALID_INPUT for an unknown, repeated or missing one."""
        parameters = parse_query(query_string, self.query)
        for name, parameter in self.query.items():
            if parameter.required and name not in parameters:
                raise invalid(name, "is required")
        return parameters


PAGE: Mapping[str, Parameter] = {
    "limit": Parameter(
        description="How many to give.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        example=DEFAULT_LIMIT,
    ),
    "cursor": Parameter(
        description="The `next_cursor` of the page before. Left out for the first page.",
        schema={"type": "string", "maxLength": MAX_CURSOR_LENGTH},
    ),
}
"""The query parameters of every list (contract, section 2, "Lists")."""

NextCursor = Annotated[str | None, Meta(description="The `cursor` of the next page; null on the last one.")]
"""The field beside a list's `data`."""


def described(
    summary: str,
    text: str = "",
    *,
    example: Any = None,
    query: Mapping[str, Parameter] | None = None,
    path: Mapping[str, Parameter] | None = None,
    errors: Sequence[Code] = (),
    body_example: Any = None,
    creates: bool = False,
) -> dict[str, Any]:
    """A part of a route's `opt`; see the head of this module."""
    description = Description(
        summary=summary,
        text=text,
        query=query or {},
        path=path or {},
        errors=errors,
        example=example,
        body_example=body_example,
        creates=creates,
    )
    return {DESCRIPTION: description}
