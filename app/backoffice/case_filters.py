"""The filters of the queues of cases (approvals, reviews), and how many cases they find, with the sum of each asset."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from piccolo.columns import Column
from piccolo.columns.combination import WhereRaw
from piccolo.query.functions import Coalesce, Count, Sum
from piccolo.query.methods.select import Select

from app.core import database
from app.core.statement import Condition, Param, Statement


class CaseFilters(msgspec.Struct, frozen=True, kw_only=True):
    """None means any.

    `kind` is payout or refund, `verdict` that of a deposit in review, `status` that of a payment that has ended,
    `merchant` an id or a part of a name, `before` the time since which a case must have waited.

    `who` is `mine` for cases that the operator who reads may decide now, `second` for those that have one approval and
    need another, `not_mine` for those that the operator may not decide.
    """

    kind: str | None = None
    verdict: str | None = None
    status: str | None = None
    network: str | None = None
    asset: str | None = None
    merchant: str | None = None
    before: datetime | None = None
    who: str | None = None

    def values(self, operator_id: str) -> dict[str, object]:
        """The parameters of a list's statements, for an operator."""
        return {
            "kind": self.kind,
            "verdict": self.verdict,
            "status": self.status,
            "network": self.network,
            "asset": self.asset,
            "merchant": self.merchant,
            "merchant_like": None if self.merchant is None else f"%{database.like_literally(self.merchant)}%",
            "before": self.before,
            "mine": True if self.who == "mine" else None,
            "second": True if self.who == "second" else None,
            "not_mine": True if self.who == "not_mine" else None,
            "operator": operator_id,
        }


EVERY_CASE = CaseFilters()


class AssetSum(msgspec.Struct, frozen=True, kw_only=True):
    """The cases of one asset, and what they are about together, in minor units."""

    network: str
    asset: str
    cases: int
    amount_raw: int


class Sums:
    """The sums of a list, compiled once for each set of filters."""

    def __init__(
        self,
        query: "Callable[[tuple[Any, ...]], Select[Any]]",
        filters: Mapping[str, Condition],
        *,
        network: Column,
        asset: Column,
        amount_raw: Column,
    ) -> None:
        self._query = query
        self._filters = filters
        self._columns = (network, asset, amount_raw)
        self._compiled: dict[frozenset[str], Statement[AssetSum]] = {}

    async def of(self, values: Mapping[str, object]) -> list[AssetSum]:
        """A row for each asset, with the same filters as the list's own page has."""
        names = frozenset(name for name in self._filters if values.get(name) is not None)
        if names not in self._compiled:
            network, asset, amount_raw = self._columns
            query = self._query(
                (network, asset, Count(alias="cases"), Coalesce(Sum(amount_raw), 0, alias="amount_raw"))
            )
            for name in sorted(names):
                query = query.where(self._filters[name])
            grouped = query.group_by(network, asset).order_by(network, asset)
            self._compiled[names] = Statement(grouped, AssetSum)
        rows = await self._compiled[names].records(values)
        return [AssetSum(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]


def of_merchant(merchant: Column) -> WhereRaw:
    """The condition that a case is of a merchant with this id, or with this part of a name."""
    return WhereRaw(
        "{} IN (SELECT id FROM merchants WHERE id = upper({}) OR name ILIKE {})",
        merchant,
        Param("merchant"),
        Param("merchant_like"),
    )
