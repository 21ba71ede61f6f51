"""The number of a row in a path, such as `/desk/alerts/17`: the type of such route parameters."""

from typing import Annotated

from litestar.params import Parameter

MAX_ROW_ID = 2**63 - 1
"""The largest `bigint` of Postgres, which all numbered rows have."""

RowId = Annotated[int, Parameter(ge=1, le=MAX_ROW_ID)]
"""Any other number is answered with 404 (`app.web.errors`)."""
