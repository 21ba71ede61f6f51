"""`/assets`, `/balance` and `/ledger`: a merchant's assets, its balances, and the ledger entries that prove them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from app.api.guard import requires, requires_any_key
from app.api.operation import PAGE, NextCursor, Parameter, Parameters, described
from app.api.v1 import examples
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core.errors import ApiError, Code, invalid
from app.core.money import format_amount
from app.invoices.presentation import Raw
from app.ledger import checkpoints, verify
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId, Entry
from app.merchants.repository import enabled_assets
from app.networks.config import Asset, NetworkConfig
from app.reports.balances import balances as asset_balances
from app.reports.balances import configured
from app.web.paging import next_cursor, parse_page, parse_seq
from app.web.routing import Router
from app.web.standby_reads import FROM_STANDBY
from app.wiring import Services

Symbol = Annotated[str, Meta(description="The asset's symbol.")]
Chain = Annotated[str, Meta(description="The chain that it is on.")]


class AssetBody(msgspec.Struct, frozen=True, kw_only=True):
    """An asset that invoices may ask for."""

    asset: Symbol
    chain: Chain
    name: Annotated[str, Meta(description="The asset's name.")]
    network_name: Annotated[str, Meta(description="The chain's name.")]
    kind: Annotated[
        str, Meta(description="`native` for the chain's own coin, else the kind of token, such as `erc20`.")
    ]
    contract: Annotated[str | None, Meta(description="The token's contract; null for a chain's own coin.")]
    decimals: Annotated[int, Meta(description="Places of the decimal form.")]
    confirmations_required: Annotated[int, Meta(description="Blocks until a payment counts as final.")]
    min_amount_raw: Annotated[Raw, Meta(description="The least that an invoice may ask for.")]
    max_amount_raw: Annotated[Raw | None, Meta(description="The most; null if there is no maximum.")]


class AssetList(msgspec.Struct, frozen=True):
    """Every asset that the merchant takes in the key's mode."""

    data: list[AssetBody]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant has of one asset. Below zero only after a deep reorganisation of the chain."""

    asset: Symbol
    chain: Chain
    available_raw: Annotated[str, Meta(description="What can be paid out, in minor units.")]
    available_decimal: Annotated[str, Meta(description="The same for people.")]
    locked_raw: Annotated[str, Meta(description="What payouts and refunds under way hold, in minor units.")]
    locked_decimal: Annotated[str, Meta(description="The same for people.")]
    pending_raw: Annotated[str, Meta(description="What was seen on chain and is not credited yet, in minor units.")]
    pending_decimal: Annotated[str, Meta(description="The same for people.")]


class BalanceList(msgspec.Struct, frozen=True):
    """The balance of each asset that the merchant takes or has."""

    data: list[Balance]


class LedgerPage(msgspec.Struct, frozen=True):
    """Entries of one ledger, newest first."""

    data: list[Entry]
    next_cursor: NextCursor


class LedgerVerification(msgspec.Struct, frozen=True, kw_only=True):
    """The result of re-computing a chain of hashes."""

    asset: Symbol
    chain: Chain
    valid: Annotated[bool, Meta(description="Whether the chain is intact.")]
    seq: Annotated[int, Meta(description="The entries that were checked.")]
    hash: Annotated[str, Meta(description="The hash of the last one; 64 zeros where there is none.")]
    first_bad_seq: Annotated[int | None, Meta(description="Where the chain breaks; null if it is intact.")]
    problem: Annotated[str | None, Meta(description="How it breaks; null if it is intact.")]


_LEDGER: Mapping[str, Parameter] = {
    "asset": Parameter(description="The asset's symbol.", required=True, example="USDT"),
    "chain": Parameter(description="The chain that it is on.", required=True, example="ethereum"),
}

_ASSETS = AssetList(
    [
        AssetBody(
            asset="USDT",
            chain="ethereum",
            name="Tether USD",
            network_name="Ethereum Sepolia",
            kind="erc20",
            contract="0x5FbDB2315678afecb367f032d93F642f64180aa3",
            decimals=6,
            confirmations_required=12,
            min_amount_raw="1000000",
            max_amount_raw=None,
        )
    ]
)

_BALANCES = BalanceList(
    [
        Balance(
            asset="USDT",
            chain="ethereum",
            available_raw="4960073",
            available_decimal="4.960073",
            locked_raw="0",
            locked_decimal="0.00",
            pending_raw="0",
            pending_decimal="0.00",
        )
    ]
)

_VERIFICATION = LedgerVerification(
    asset="USDT",
    chain="ethereum",
    valid=True,
    seq=1,
    hash=examples.LEDGER_ENTRY.hash,
    first_bad_seq=None,
    problem=None,
)


class ProofLeaf(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger's state in the checkpoint. The RFC 8785 form of these fields is the tree's leaf."""

    merchant_id: Annotated[str, Meta(description="The ledger's merchant.")]
    asset: Annotated[str, Meta(description="The asset's symbol.")]
    network: Annotated[str, Meta(description="Chain and mode.")]
    seq: Annotated[int, Meta(description="Its last entry then.")]
    hash: Annotated[str, Meta(description="That entry's hash.")]
    available_raw: Annotated[str, Meta(description="The balance then.")]
    locked_raw: Annotated[str, Meta(description="What was locked then.")]


class SignedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed: the RFC 8785 form of these fields."""

    format: Annotated[str, Meta(description="`swap-pay-checkpoint/1`.")]
    number: Annotated[int, Meta(description="1, 2, 3 …")]
    created_at: Annotated[str, Meta(description="When it was signed.")]
    ledgers: Annotated[int, Meta(description="How many leaves the tree has.")]
    root: Annotated[str, Meta(description="The Merkle tree's root (RFC 6962).")]
    previous: Annotated[str, Meta(description="The hash of the checkpoint before; 64 zeros at the first.")]


class LedgerProof(msgspec.Struct, frozen=True, kw_only=True):
    """The proof that the ledger is in a signed checkpoint."""

    leaf: ProofLeaf
    index: Annotated[int, Meta(description="The leaf's place in the tree.")]
    path: Annotated[list[str], Meta(description="The hashes that lead from the leaf to the root (RFC 6962).")]
    checkpoint: SignedDocument
    hash: Annotated[str, Meta(description="The document's SHA-256.")]
    key_id: Annotated[str, Meta(description="Which key signed.")]
    signature: Annotated[str, Meta(description="Ed25519 over the document, in base64.")]


_PROOF = LedgerProof(
    leaf=ProofLeaf(
        merchant_id="MCH-5D0T8QH1ZB",
        asset="USDT",
        network="ethereum:test",
        seq=1,
        hash=examples.LEDGER_ENTRY.hash,
        available_raw="4960073",
        locked_raw="0",
    ),
    index=0,
    path=["5e2b5a53a4f5a0f0c6d1a7e3b9c48d2f716e0a9b8c7d6e5f4a3b2c1d0e9f8a7b"],
    checkpoint=SignedDocument(
        format="swap-pay-checkpoint/1",
        number=12,
        created_at="2026-01-31T10:00:20.000000Z",
        ledgers=2,
        root="9c1185a5c5e9fc54612808977ee8f548b2258d31b4b5f0d2a4a1c3e7d9f0b6a8",
        previous="3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea",
    ),
    hash="2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6",
    key_id="k1",
    signature="q1w2…",
)


def routes(services: Services) -> list[Router]:
    """The routes of assets, balances and ledgers."""

    @get(
        "/",
        opt=requires_any_key()
        | described("List assets", "What this key's invoices may ask for, with minimum and maximum.", example=_ASSETS),
        operation_id="listAssets",
    )
    async def assets(principal: Principal) -> AssetList:
        listed = []
        every = await enabled_assets(principal.merchant_id, principal.mode)
        for enabled in sorted(every, key=lambda one: services.networks.place_of(one.network, one.asset)):
            network, asset = configured(services.networks, enabled.network, enabled.asset)
            if asset is not None and network is not None:
                listed.append(_asset_body(network, asset, enabled.min_raw, enabled.max_raw))
        return AssetList(listed)

    @get(
        "/",
        opt=requires(Scope.BALANCE_READ) | described("Retrieve the balance", example=_BALANCES),
        operation_id="getBalance",
    )
    async def balance(principal: Principal) -> BalanceList:
        balances = []
        for held in await asset_balances(services.networks, principal.merchant_id, principal.mode):
            amounts = {"available": held.available_raw, "locked": held.locked_raw, "pending": held.pending_raw}
            raw = {f"{name}_raw": str(amount) for name, amount in amounts.items()}
            decimals = held.asset.decimals
            decimal = {f"{name}_decimal": format_amount(amount, decimals) for name, amount in amounts.items()}
            balances.append(Balance(asset=held.asset.symbol, chain=held.network.chain, **raw, **decimal))
        return BalanceList(balances)

    @get(
        "/",
        opt=requires(Scope.BALANCE_READ)
        | FROM_STANDBY
        | described(
            "List ledger entries",
            "The entries of one ledger, which is append-only: one chain of hashes per asset and chain.",
            example=LedgerPage([examples.LEDGER_ENTRY], None),
            query={**_LEDGER, **PAGE},
        ),
        operation_id="listLedger",
    )
    async def entries(principal: Principal, parameters: Parameters) -> LedgerPage:
        chain = _chain(services, principal, parameters)
        requested = parse_page(parameters, by_seq=True)
        head = await ledger.head(chain)
        if head is None:
            return LedgerPage([], None)
        page = await ledger.page(head.ledger, requested.place, requested.limit)
        return LedgerPage(page, next_cursor(page.following))

    @get(
        "/verify",
        opt=requires(Scope.BALANCE_READ)
        | described("Verify a ledger", "Re-computes the chain of hashes.", example=_VERIFICATION, query=_LEDGER),
        operation_id="verifyLedger",
    )
    async def verification(principal: Principal, parameters: Parameters) -> LedgerVerification:
        chain = _chain(services, principal, parameters)
        result = await verify.verify_owned(chain)
        return LedgerVerification(
            asset=chain.asset,
            chain=parameters["chain"],
            valid=result.fault is None,
            seq=result.seq,
            hash=result.head_hash,
            first_bad_seq=result.fault.seq if result.fault else None,
            problem=result.fault.problem if result.fault else None,
        )

    @get(
        "/proof",
        opt=requires(Scope.BALANCE_READ)
        | described(
            "Prove a ledger",
            "Proves that the ledger is in a signed and published checkpoint: the newest, unless you name one.",
            example=_PROOF,
            query={
                **_LEDGER,
                "checkpoint": Parameter(
                    description="A checkpoint's number.",
                    schema={"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
                ),
            },
            errors=[Code.NOT_FOUND],
        ),
        operation_id="getLedgerProof",
    )
    async def proof(principal: Principal, parameters: Parameters) -> LedgerProof:
        chain = _chain(services, principal, parameters)
        proven = await checkpoints.prove(chain, parse_seq(parameters, "checkpoint", least=1))
        if proven is None:
            raise ApiError(Code.NOT_FOUND, "checkpoint: the ledger is in no such checkpoint")
        return msgspec.convert(
            {
                "leaf": proven.leaf.fields(),
                "index": proven.index,
                "path": list(proven.path),
                **proven.checkpoint.published(),
            },
            LedgerProof,
        )

    return [
        Router("/assets", route_handlers=[assets], tags=["Assets"]),
        Router("/balance", route_handlers=[balance], tags=["Balance and ledger"]),
        Router("/ledger", route_handlers=[entries, verification, proof], tags=["Balance and ledger"]),
    ]


def _asset_body(network: NetworkConfig, asset: Asset, min_raw: int | None, max_raw: int | None) -> AssetBody:
    """The asset with its bounds for one invoice: the stricter of the network's and the merchant's."""
    upper = [bound for bound in (asset.max_raw, max_raw) if bound is not None]
    return AssetBody(
        asset=asset.symbol,
        chain=network.chain,
        name=asset.name,
        network_name=network.display_name,
        kind=asset.kind,
        contract=asset.contract,
        decimals=asset.decimals,
        confirmations_required=network.confirmations,
        min_amount_raw=str(max(asset.min_raw, min_raw or 0)),
        max_amount_raw=str(min(upper)) if upper else None,
    )


def _chain(services: Services, principal: Principal, parameters: Parameters) -> ChainId:
    """The ledger that `asset` and `chain` name. Raises INVALID_INPUT."""
    network, asset = configured(services.networks, f"{parameters['chain']}:{principal.mode}", parameters["asset"])
    if network is None:
        raise invalid("chain", "is not a known chain")
    if asset is None:
        raise invalid("asset", "is not an asset of that chain")
    return ChainId(owner=principal.merchant_id, network=network.key, asset=asset.symbol)
