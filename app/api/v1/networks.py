"""`/networks`: how far each network has been read, and whether every block in between was read."""

from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from app.api.guard import requires_any_key
from app.api.operation import described
from app.api_keys.authentication import Principal
from app.core.clock import rfc3339
from app.deposits.coverage_repository import Coverage, coverages
from app.networks.config import NetworkConfig
from app.web.routing import Router
from app.wiring import Services


class BlockBody(msgspec.Struct, frozen=True, kw_only=True):
    """A scanned block."""

    height: Annotated[int, Meta(description="Its height.")]
    hash: Annotated[str, Meta(description="Its hash.")]
    time: Annotated[str, Meta(description="Its timestamp.")]


class NetworkBody(msgspec.Struct, frozen=True, kw_only=True):
    """How far a network in the key's mode has been read."""

    chain: Annotated[str, Meta(description="As invoices name it.")]
    name: Annotated[str, Meta(description="For people.")]
    chain_id: Annotated[int | None, Meta(description="The chain's public number (EIP-155); null where it has none.")]
    height: Annotated[int | None, Meta(description="The newest block that the node knows.")]
    lag_blocks: Annotated[int | None, Meta(description="Blocks that the node knows and we have not read yet.")]
    start_height: Annotated[int | None, Meta(description="The height at which reading began.")]
    last_scanned_block: Annotated[BlockBody | None, Meta(description="The newest block that we have read.")]
    coverage_contiguous: Annotated[
        bool, Meta(description="Whether every block since the start was read, each the child of the one below.")
    ]
    checked_at: Annotated[str | None, Meta(description="When we last asked the node.")]
    halted: Annotated[
        bool, Meta(description="Reading has stopped because continuing could skip a payment. Operators are alerted.")
    ]


class NetworkList(msgspec.Struct, frozen=True):
    """Every network of the key's mode."""

    data: list[NetworkBody]


_NETWORKS = NetworkList(
    [
        NetworkBody(
            chain="ethereum",
            name="Ethereum Sepolia",
            chain_id=11_155_111,
            height=7_310_453,
            lag_blocks=0,
            start_height=7_000_000,
            last_scanned_block=BlockBody(
                height=7_310_453,
                hash="0x8f3c1b7de1a04f2f3b5f4d2c9a1e0b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a",
                time="2026-01-31T09:36:36Z",
            ),
            coverage_contiguous=True,
            checked_at="2026-01-31T09:36:37.104512Z",
            halted=False,
        )
    ]
)


def routes(services: Services) -> Router:
    """The route of `/networks`."""

    @get(
        "/",
        opt=requires_any_key() | described("List networks", "How far each has been read.", example=_NETWORKS),
        operation_id="listNetworks",
    )
    async def networks(principal: Principal) -> NetworkList:
        known = await coverages()
        return NetworkList(
            [_body(network, known.get(network.key)) for network in services.networks if network.mode == principal.mode]
        )

    return Router("/networks", route_handlers=[networks], tags=["Networks"])


def _body(network: NetworkConfig, coverage: Coverage | None) -> NetworkBody:
    block = None
    if coverage is not None and coverage.last_block_hash is not None and coverage.last_block_time is not None:
        block = BlockBody(
            height=coverage.scanned_height, hash=coverage.last_block_hash, time=rfc3339(coverage.last_block_time)
        )
    return NetworkBody(
        chain=network.chain,
        name=network.display_name,
        chain_id=network.public_chain_id,
        height=None if coverage is None else coverage.head_height,
        lag_blocks=None if coverage is None else coverage.lag_blocks,
        start_height=None if coverage is None else coverage.start_height,
        last_scanned_block=block,
        coverage_contiguous=coverage is not None and coverage.contiguous,
        checked_at=None if coverage is None else rfc3339(coverage.checked_at),
        halted=coverage is not None and coverage.halted,
    )
