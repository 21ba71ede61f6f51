"""The description of a route: one declaration, used to read requests and to write the OpenAPI document.

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

The document takes the request body from the type of `data` and the response body from the return type. Success status,
operation id and tags come from Litestar's own decorator and router, and the description of each field from the `Meta`
of the structs. `app.api.responses` adds the errors that every route can return (401, 403, 429, 500) and those that come
with a body or a scope. Declare here

- `query`: the query parameters. Others are refused with INVALID_INPUT before the handler runs, and so is a request
  that lacks a required one. The handler gets them as `parameters: Parameters`. Lists add `*PAGE`;
- `path`: each path parameter with its meaning;
- `errors`: the codes of the catalogue that only this route can raise;
- `example`: a response, an instance of the return type; `body_example`: a request body, as decoded JSON;
- `creates=True`: the route needs an `Idempotency-Key` and answers through `Once`.

The app does not start with a route of the merchant API that has no description.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.core.errors import Code, invalid
from app.web.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, parse_query

DESCRIPTION = "api_description"
"""Where a route's `opt` holds its `Description`."""

Parameters = dict[str, str]
"""A request's query parameters, by name: only declared ones, each once."""


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of the query or the path. `schema` is JSON Schema for its decoded text."""

    description: str
    schema: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})
    required: bool = False
    example: str | int | None = None


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of `described`."""

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
        description="How many to return.",
        schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        example=DEFAULT_LIMIT,
    ),
    "cursor": Parameter(
        description="The `next_cursor` of the previous page. Leave it out for the first page.",
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
