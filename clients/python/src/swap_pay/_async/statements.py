"""Statements: what a month brought, by kind, from its opening to its closing balance."""

from __future__ import annotations

from collections.abc import Sequence

from swap_pay._async.pages import AsyncPages
from swap_pay._async.transport import AsyncTransport
from swap_pay._generated.api.balance_and_ledger import get_statement, list_statement_entries, list_statements
from swap_pay._generated.models import Statement, StatementLine, StatementMonth
from swap_pay._given import given


class AsyncStatements:
    """`client.statements`: a statement for each month, such as `2026-01`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> Sequence[StatementMonth]:
        """The months that there are statements of."""
        return (await self._transport.call(list_statements.request(), list_statements.answer)).data

    async def get(self, month: str) -> Statement:
        """The statement of a month."""
        return await self._transport.call(get_statement.request(month), get_statement.answer)

    def entries(
        self, month: str, *, asset: str, chain: str, page_size: int = 100, cursor: str | None = None
    ) -> AsyncPages[StatementLine]:
        """The lines of a month's statement in one asset on one chain."""

        async def fetch(cursor: str | None) -> tuple[Sequence[StatementLine], str | None]:
            request = list_statement_entries.request(
                month, asset=asset, chain=chain, limit=page_size, cursor=given(cursor)
            )
            page = await self._transport.call(request, list_statement_entries.answer)
            return page.data, page.next_cursor

        return AsyncPages(fetch, cursor)
