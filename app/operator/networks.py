"""Networks and wallets: the progress of the watchers, the use of the pools, the balances of the hot wallets."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import networks
from app.backoffice.networks import NetworkState
from app.core import clock
from app.identity.identity import PageRequest
from app.operator.desk import Desk, nothing_here


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/networks`."""

    @get("/networks")
    async def listed(request: PageRequest) -> Response[bytes]:
        now = clock.now()
        states = await networks.states(desk.services.networks, now)
        return await desk.page(
            request, "networks/list", {"states": states, "healths": {s.network.key: health(s) for s in states}}
        )

    @get("/networks/{chain:str}/{mode:str}")
    async def one(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        key = f"{chain}:{mode}"
        states = await networks.states(desk.services.networks, clock.now())
        state = next((state for state in states if state.network.key == key), None)
        if state is None:
            raise nothing_here()
        context = {
            "state": state,
            "health": health(state),
            "moving": await networks.on_the_way(key),
            "top_ups": await networks.top_ups(key),
        }
        return await desk.page(request, "networks/one", context)

    def health(state: NetworkState) -> str:
        """`halted`, `not watched`, `behind` or `watched`, as in `/readyz`."""
        if state.halted_reason is not None:
            return "halted"
        if state.coverage is None or clock.now() - state.coverage.checked_at > networks.MAX_UNCHECKED:
            return "not watched"
        return "behind" if state.coverage.lag_blocks > networks.MAX_LAG_BLOCKS else "watched"

    return [listed, one]
