"""A merchant whose ledgers are posted to at chosen moments, as services do, and whose sums are kept beside them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.core import database, ids
from app.core.settings import CheckpointKeys
from app.ledger import checkpoints
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import FEES, Kind, Posting
from app.worth import service as worth
from tests.factories.rates import store_rate

KEYS = CheckpointKeys({"c1": bytes(range(100, 132))})
ASSETS = {"USDT": 6, "ETH": 18}


async def add_assets() -> None:
    """The assets of the network, once for a database."""
    for symbol, decimals in ASSETS.items():
        await database.execute(
            "INSERT INTO assets (network, symbol, contract, decimals) VALUES ('ethereum:test', $1, $3, $2)"
            " ON CONFLICT DO NOTHING",
            symbol,
            decimals,
            f"0x{symbol}",
        )


@dataclass
class Books:
    """The books of one merchant. `now` is the present time of whatever is posted next."""

    merchant_id: str
    now: datetime
    available: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    locked: list[tuple[str, str, int, int]] = field(default_factory=list)
    credits: list[tuple[str, Reference, int, int]] = field(default_factory=list)

    async def post(self, postings: Iterable[Posting], at: datetime | None = None) -> None:
        """Post in one transaction."""
        async with database.transaction():
            await worth.post(postings, at or self.now)

    def posting(self, asset: str, kind: Kind, available: int, locked: int, reference: Reference) -> Posting:
        """A movement of the merchant's ledger."""
        self.available[asset] += available
        return Posting(ChainId(asset, "ethereum:test", self.merchant_id), kind, available, locked, reference)

    def fee(self, asset: str, kind: Kind, amount: int, reference: Reference) -> list[Posting]:
        """A movement of the platform's ledger of fees."""
        return [Posting(ChainId(asset, "ethereum:test", FEES), kind, amount, 0, reference)] if amount else []

    async def credit(self, asset: str, amount: int, fee: int = 0, *, late: timedelta = timedelta()) -> Reference:
        """Credit a deposit, net of a fee; `late` is how long ago its time was taken."""
        reference = Reference("deposit", ids.new_id(ids.DEPOSIT))
        postings = [self.posting(asset, "invoice_credit", amount, 0, reference)]
        await self.post(postings + self.fee(asset, "service_fee", fee, reference), self.now - late)
        self.credits.append((asset, reference, amount, fee))
        return reference

    async def reverse(self) -> None:
        """Take the last credit back, with its fee."""
        asset, reference, amount, fee = self.credits.pop()
        postings = [self.posting(asset, "deposit_reversal", -amount, 0, reference)]
        await self.post(postings + self.fee(asset, "deposit_reversal", -fee, reference))

    async def lock(self, kind: str, asset: str, amount: int, fee: int = 0) -> None:
        """Request a payout or a refund."""
        reference = Reference(kind, ids.new_id(ids.PAYOUT if kind == "payout" else ids.REFUND))
        await self.post([self.posting(asset, f"{kind}_locked", -amount, amount, reference)])  # type: ignore[arg-type]
        self.locked.append((kind, asset, amount, fee))
        self._references.append(reference)

    async def end(self, *, settled: bool) -> None:
        """Send the oldest payout or refund, or release it."""
        kind, asset, amount, fee = self.locked.pop(0)
        reference = self._references.pop(0)
        if not settled:
            await self.post(
                [self.posting(asset, f"{kind}_released", amount, -amount, reference)]  # type: ignore[arg-type]
            )
            return
        postings = [self.posting(asset, f"{kind}_settled", 0, -amount, reference)]  # type: ignore[arg-type]
        await self.post(postings + self.fee(asset, f"{kind}_fee", fee, reference))  # type: ignore[arg-type]

    async def sign(self) -> int:
        """Sign a checkpoint."""
        return (await checkpoints.create(KEYS, self.now)).number

    async def rate(self, asset: str, figure: str | None) -> None:
        """A rate in euros that is good for a minute."""
        await store_rate(asset, "EUR", figure, self.now)

    _references: list[Reference] = field(default_factory=list)
