"""A chain that is a list of blocks, and what the watcher does with each: for tests that need many sequences of
deposits and no node. Blocks go to the real services, on a real Postgres, in the watcher's order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace

from app.core import clock, database
from app.deposits.sightings import in_block
from app.networks.port import BlockRef, Transfer
from app.wiring import Services
from tests.factories.invoices import AskedInvoice
from tests.factories.payments import CONFIRMATIONS
from tests.factories.withdrawals import NETWORK

BLOCK_TIME = timedelta(seconds=12)
OUT_OF_REACH = 100
"""In blocks, more than the depth of the tests' reorganisations."""

SENDER = "0x" + 40 * "1"


@dataclass
class Feed:
    """One network. `lost`: transfers that reorganisations threw out, oldest first."""

    services: Services
    now: datetime = field(default_factory=clock.now)
    blocks: list[list[Transfer]] = field(default_factory=list)
    lost: list[Transfer] = field(default_factory=list)
    sent: int = 0

    @property
    def head_height(self) -> int:
        return len(self.blocks)

    def begin_anew(self) -> None:
        """Add so many blocks that no reorganisation reaches the earlier ones."""
        self.now = clock.now()
        self.blocks += [[] for _ in range(OUT_OF_REACH)]
        self.lost.clear()

    def holds(self, to: AskedInvoice, amount_raw: int) -> bool:
        """Whether a transfer of this amount in USDT to an invoice's address is on the chain."""
        wanted = ("USDT", to.pay_in.address, amount_raw)
        return any((t.asset_symbol, t.to_address, t.amount_raw) == wanted for block in self.blocks for t in block)

    def transfer(self, to: AskedInvoice, amount_raw: int, asset: str = "USDT", sender: str | None = SENDER) -> Transfer:
        """A new transaction's one transfer; the block that it gets into is set by `mine`."""
        self.sent += 1
        block = BlockRef(0, "", "", self.now)
        return Transfer(f"0x{self.sent:064x}", 0, asset, to.pay_in.address, sender, amount_raw, block)

    async def pay(self, to: AskedInvoice, amount_raw: int, asset: str = "USDT", sender: str | None = SENDER) -> None:
        """Add a transfer in a block of its own, and let the watcher read it."""
        await self.mine(self.transfer(to, amount_raw, asset, sender))

    async def mine(self, *transfers: Transfer) -> None:
        """Add the next block, and run the watcher once."""
        self.now += BLOCK_TIME
        height = self.head_height + 1
        ref = BlockRef(height, f"0x{height:064x}", f"0x{height - 1:064x}", self.now)
        placed = [replace(each, index=index, block=ref) for index, each in enumerate(transfers)]
        self.blocks.append(placed)
        if placed:
            async with database.transaction():
                await self.services.deposits.record(NETWORK, map(in_block, placed), self.now)
        await self.tick()

    async def tick(self) -> None:
        """The part of the watcher's tick after the scan: every block up to now counts as scanned."""
        await self.services.settling.settle(NETWORK, self.head_height, CONFIRMATIONS, None, self.now)
        await self.services.payments.end(NETWORK, self.now, self.now)
        await self.services.invoices.expire_due(NETWORK, self.now, self.now)

    async def confirm(self) -> None:
        """Add empty blocks until every deposit is final."""
        for _ in range(CONFIRMATIONS):
            await self.mine()

    async def reorganise(self, depth: int) -> None:
        """Remove the newest blocks; nothing replaces them yet."""
        fork = max(0, self.head_height - depth)
        for block in self.blocks[fork:]:
            self.lost += block
        del self.blocks[fork:]
        self.now += BLOCK_TIME
        async with database.transaction():
            await self.services.reversals.reverse_above(NETWORK, fork, self.now)
        await self.tick()

    async def find(self, position: int) -> None:
        """Put a lost transfer into a new block."""
        await self.mine(self.lost.pop(position % len(self.lost)))

    async def wait(self, by: timedelta) -> None:
        """Advance the clock and add an empty block."""
        self.now += by
        await self.mine()


def share_of(invoice: AskedInvoice, per_mille: int) -> int:
    """This many thousandths of the invoice's amount, in minor units, rounded down."""
    return int(invoice.pay_in.amount_raw) * per_mille // 1000
