"""Energy, stake and loans of a network's hot wallet, as operators read them: where transactions take energy.

All from what the signer has stored at its last look; no node is called. Networks without energy have none of it.
"""

from datetime import datetime
from typing import Literal

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of
from app.core.statement import Listing, Param, Statement, select
from app.networks.sending import Cost, Prices, Resources
from app.signer.energy_repository import StakeAction
from app.withdrawals.tables import ResourceLook, StakeRequest, TransferLook

MOST_STAKE_RAW = 10**20
"""More minor units than there are of any coin that is staked for energy: where that much would be needed, the node
does not tell what stake gives."""

LoanState = Literal["lending", "lent", "returning", "back", "failed"]


class ResourceState(msgspec.Struct, frozen=True, kw_only=True):
    """What the hot wallet had to pay fees with, and what resources cost, when the signer last asked. Amounts are in
    minor units of the native coin. The fields are those of `Resources` and `Prices` of app/networks/sending.py."""

    energy: int
    energy_limit: int
    bytes_staked: int
    bytes_free: int
    spendable_raw: int
    staked_raw: int
    lendable_raw: int
    lent_raw: int
    energy_price_raw: int
    byte_price_raw: int
    activation_raw: int
    energy_per_stake: int
    stake_for_energy: int
    looked_at: datetime

    @property
    def unstakable_raw(self) -> int:
        """The staked coin that no loan has now."""
        return max(self.staked_raw - self.lent_raw, 0)

    def energy_of_a_coin(self, decimals: int) -> int | None:
        """The energy a day that one whole staked coin gives; None where no node tells."""
        energy = self.energy_per_stake * 10**decimals // self.stake_for_energy
        return energy or None

    def stake_raw(self, energy: int) -> int | None:
        """The staked coin that gives so much energy a day; None for none, and where no node tells."""
        stake_raw = self.prices.stake_raw(energy)
        return stake_raw if 0 < stake_raw < MOST_STAKE_RAW else None

    @property
    def resources(self) -> Resources:
        """The resources alone."""
        return Resources(
            exists=True,
            energy=self.energy,
            energy_limit=self.energy_limit,
            bytes_staked=self.bytes_staked,
            bytes_free=self.bytes_free,
            spendable_raw=self.spendable_raw,
            staked_raw=self.staked_raw,
            lendable_raw=self.lendable_raw,
            lent_raw=self.lent_raw,
        )

    @property
    def prices(self) -> Prices:
        """The prices alone."""
        return Prices(
            energy_raw=self.energy_price_raw,
            byte_raw=self.byte_price_raw,
            activation_raw=self.activation_raw,
            energy_per_stake=self.energy_per_stake,
            stake_for_energy=self.stake_for_energy,
        )


class TransferCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a transfer of an asset takes, as the signer found it last, and costs at the prices of now.

    `burned_raw` with nothing staked, `with_energy_raw` with all of its energy staked and its bytes paid for. `now_raw`
    with what the hot wallet has now, None for a sweep, which another address sends. All in minor units of the native
    coin. `stake_raw` is the staked coin that gives the energy of one such transfer a day; None where it takes none, or
    no node tells.
    """

    asset: str
    purpose: Literal["payout", "sweep"]
    energy: int
    size: int
    burned_raw: int
    with_energy_raw: int
    now_raw: int | None
    stake_raw: int | None
    looked_at: datetime


class ListedLoan(msgspec.Struct, frozen=True, kw_only=True):
    """Energy that was lent to an address, by the staked coin that gives it."""

    id: int
    to_address: str
    stake_raw: int
    state: LoanState
    lent_by: int
    lent_txid: str
    reclaimed_by: int | None
    reclaimed_txid: str | None
    lent_at: datetime
    back_at: datetime | None


class ListedStakeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator has asked of the stake. `outcome` is None while it waits; `transaction` is None before one is
    signed."""

    id: int
    action: StakeAction
    amount_raw: int
    requested_by: str
    requested_at: datetime
    waiting_reason: str | None
    transaction: int | None
    outcome: str | None
    ended_at: datetime | None

    @property
    def can_be_cancelled(self) -> bool:
        """Whether nothing is signed for it yet."""
        return self.outcome is None and self.transaction is None


async def resources(network: str) -> ResourceState | None:
    """What the signer found at its last look; None where none has looked, or the network has no energy."""
    return await _RESOURCES.first(network=network)


_RESOURCES = Statement(
    select(ResourceLook, ResourceState).where(ResourceLook.network == Param("network")), ResourceState
)


async def every_resources() -> dict[str, ResourceState]:
    """The same of all networks, by network."""
    return {one.network: one.state for one in await _EVERY.all()}


class _OfNetwork(ResourceState, frozen=True, kw_only=True):
    network: str

    @property
    def state(self) -> ResourceState:
        return msgspec.convert(msgspec.structs.asdict(self), ResourceState)


_EVERY = Statement(select(ResourceLook, _OfNetwork).order_by(ResourceLook.network), _OfNetwork)


async def transfer_costs(network: str, state: ResourceState) -> list[TransferCost]:
    """What payouts and sweeps cost now, of each asset that the signer has asked for."""
    return [_priced(look, state) for look in await _TRANSFERS.all(network=network)]


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    asset: str
    purpose: Literal["payout", "sweep"]
    energy: int
    size: int
    fee_limit_raw: int
    looked_at: datetime


_TRANSFERS = Statement(
    select(TransferLook, _Look)
    .where(TransferLook.network == Param("network"))
    .order_by(TransferLook.purpose, TransferLook.asset),
    _Look,
)


def _priced(look: _Look, state: ResourceState) -> TransferCost:
    cost = Cost(energy=look.energy, size=look.size, activates=False, fee_limit_raw=look.fee_limit_raw)
    nothing, staked = Resources(exists=True), Resources(exists=True, energy=look.energy)
    return TransferCost(
        asset=look.asset,
        purpose=look.purpose,
        energy=look.energy,
        size=look.size,
        burned_raw=cost.burned_raw(state.prices, nothing),
        with_energy_raw=cost.burned_raw(state.prices, staked),
        now_raw=cost.burned_raw(state.prices, state.resources) if look.purpose == "payout" else None,
        stake_raw=state.stake_raw(look.energy),
        looked_at=look.looked_at,
    )


_LOANS = """
    SELECT l.id, l.to_address, l.stake_raw, l.lent_by, lent.txid AS lent_txid, l.reclaimed_by,
        back.txid AS reclaimed_txid, lent.created_at AS lent_at,
        CASE WHEN back.status = 'confirmed' THEN back.settled_at END AS back_at,
        CASE WHEN lent.status IN ('signed', 'submitted') THEN 'lending' WHEN lent.status <> 'confirmed' THEN 'failed'
            WHEN back.status = 'confirmed' THEN 'back' WHEN back.status IN ('signed', 'submitted') THEN 'returning'
            ELSE 'lent' END AS state
    FROM energy_loans l JOIN outgoing_transactions lent ON lent.id = l.lent_by
    LEFT JOIN outgoing_transactions back ON back.id = l.reclaimed_by
    """


async def open_loans(network: str, limit: int) -> list[ListedLoan]:
    """The loans that are not back, the newest first."""
    # SQL, since a loan belongs to two transactions.
    rows = await database.fetch_all(
        f"""
        {_LOANS} WHERE l.network = $1 AND lent.status IN ('signed', 'submitted', 'confirmed')
            AND back.status IS DISTINCT FROM 'confirmed'
        ORDER BY l.id DESC LIMIT $2
        """,
        network,
        limit,
    )
    return [_loan(row) for row in rows]


async def loans_page(network: str, place: Place | None, limit: int) -> Page[ListedLoan]:
    """A page of all loans of a network by id, the newest first; those that are back too."""
    comparison, order = direction(place)
    # SQL, since a loan belongs to two transactions.
    rows = await database.fetch_all(
        f"""
        {_LOANS} WHERE l.network = $1 AND ($2::bigint IS NULL OR l.id {comparison} $2)
        ORDER BY l.id {order} LIMIT $3
        """,
        network,
        None if place is None else place.key[0],
        limit + 1,
    )
    return page_of(rows, limit, place, key=("id",), made=_loan)


def _loan(row: Row) -> ListedLoan:
    return ListedLoan(**{**row, "stake_raw": int(row["stake_raw"])})


async def open_stake_requests(network: str, limit: int) -> list[ListedStakeRequest]:
    """The requests that have not ended, the oldest first: the signer does one after another."""
    return await _OPEN_REQUESTS.all(network=network, limit=limit)


_OPEN_REQUESTS = Statement(
    select(StakeRequest, ListedStakeRequest)
    .where(StakeRequest.network == Param("network"), StakeRequest.outcome.is_null())
    .order_by(StakeRequest.id),
    ListedStakeRequest,
    limited=True,
)


async def stake_requests_page(network: str, place: Place | None, limit: int) -> Page[ListedStakeRequest]:
    """A page of all requests of a network by id, the newest first."""
    return await _REQUESTS.page(place, limit, network=network)


_REQUESTS = Listing(
    lambda: select(StakeRequest, ListedStakeRequest).where(StakeRequest.network == Param("network")),
    ListedStakeRequest,
    key=(StakeRequest.id,),
)


async def stake_request(network: str, request_id: int) -> ListedStakeRequest | None:
    """One request; None where the network has none of this number."""
    return await _REQUEST.first(network=network, id=request_id)


_REQUEST = Statement(
    select(StakeRequest, ListedStakeRequest).where(
        StakeRequest.network == Param("network"), StakeRequest.id == Param("id")
    ),
    ListedStakeRequest,
)
