"""`/transactions/{chain}/{txid}`: where a transaction is, and what it pays."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from msgspec import Meta

from app.api.guard import requires
from app.api.operation import Parameter, Parameters, described
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core.errors import ApiError, Code, invalid
from app.core.money import format_amount
from app.invoices.presentation import Decimal, Raw
from app.lookups import limits, wording
from app.lookups.facts import Viewer
from app.lookups.judging import Brought, Finding, Verdict
from app.networks.config import NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.web.rate_limits import RateLimiter
from app.web.routing import Router
from app.wiring import Services

TXID = "0x7d1f6a3c0b4e58a92c1d0e3f4a5b6c7d8e9f00112233445566778899aabbccdd"


class TransferBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the transaction brings to an address of your invoices."""

    index: Annotated[int, Meta(description="The transfer's place in its transaction.")]
    to_address: Annotated[str, Meta(description="The address that it is to.")]
    asset: Annotated[str | None, Meta(description="The asset's symbol; null for a token that is not configured.")]
    amount_decimal: Annotated[
        Decimal | None, Meta(description="How much; null for a token that is not configured: its decimals are unknown.")
    ]
    amount_raw: Annotated[Raw, Meta(description="How much, in minor units.")]
    invoice_id: Annotated[str | None, Meta(description="The invoice that it is for.")]
    verdict: Annotated[Verdict, Meta(description="What this transfer is to that invoice.")]


class TransactionBody(msgspec.Struct, frozen=True, kw_only=True):
    """Where a transaction is, and what it pays of yours."""

    verdict: Annotated[
        Verdict,
        Meta(
            description="`unavailable`: the network can't be asked now. `unknown`: it doesn't know the transaction. "
            "`waiting`: no block has it. `confirming`: it pays an invoice and needs more confirmations. `failed`: it "
            "moved nothing. `paid`, `paid_part`, `paid_short`, `paid_over`, `paid_late`, `paid_after_cancellation`, "
            "`paid_again`, `dust`: what it is to its invoice. `other_invoice`: it is for another one than `invoice_id` "
            "named. `other_asset`, `other_token`, `lookalike_token`: it brings something else than was asked for. "
            "`other_network`: the right address on another chain. `unclaimed`: for no invoice. `elsewhere`: it brings "
            "you nothing. `reorganised`, `replaced`, `dropped`: it is in no block any more, or never was."
        ),
    ]
    message: Annotated[str, Meta(description="The verdict in English, with its figures.")]
    chain: Annotated[str, Meta(description="The chain that has it; the one that was named where none has.")]
    txid: Annotated[str, Meta(description="Its id, in the chain's own form.")]
    confirmations: Annotated[int | None, Meta(description="Blocks from its own one on; null where that says nothing.")]
    confirmations_required: Annotated[int | None, Meta(description="How many the payment needs.")]
    invoice_id: Annotated[str | None, Meta(description="The invoice that the verdict is about.")]
    replaced_by: Annotated[str | None, Meta(description="The transaction that took its place, where that is known.")]
    transfers: Annotated[list[TransferBody], Meta(description="What it brings to addresses of your invoices.")]
    network_answered: Annotated[bool, Meta(description="False where the verdict is from what was stored before.")]
    explorer_url: Annotated[str | None, Meta(description="Its page at a block explorer; null where there is none.")]


_EXAMPLE = TransactionBody(
    verdict=Verdict.CONFIRMING,
    message="It brings 5.000073 USDT for INV-0123456789: 3 of 12 confirmations.",
    chain="ethereum",
    txid=TXID,
    confirmations=3,
    confirmations_required=12,
    invoice_id="INV-0123456789",
    replaced_by=None,
    transfers=[
        TransferBody(
            index=42,
            to_address="0x52908400098527886E0F7030069857D2E4169EE7",
            asset="USDT",
            amount_decimal="5.000073",
            amount_raw="5000073",
            invoice_id="INV-0123456789",
            verdict=Verdict.CONFIRMING,
        )
    ],
    network_answered=True,
    explorer_url=f"https://sepolia.etherscan.io/tx/{TXID}",
)


def routes(services: Services, rate_limiter: RateLimiter) -> Router:
    """The route of `/transactions`."""

    @get(
        "/{chain:str}/{txid:str}",
        opt=requires(Scope.INVOICES_READ)
        | described(
            "Look up a transaction",
            "Where a transaction is now and what it pays, for a customer who asks. It is also looked for on the other "
            "chains of the same kind. A transaction that pays nobody, or another merchant, is `elsewhere`. At most 60 "
            "a minute from one address.",
            path={
                "chain": Parameter(description="The chain, as invoices name it.", example="ethereum"),
                "txid": Parameter(
                    description="The transaction's id, in upper or lower case.",
                    schema={"type": "string", "pattern": "^(0[xX])?[0-9a-fA-F]{64}$"},
                    example=TXID,
                ),
            },
            query={
                "invoice_id": Parameter(
                    description="The invoice that it should have paid. One for another of your invoices is then "
                    "`other_invoice`.",
                )
            },
            errors=[Code.INVOICE_NOT_FOUND, Code.IP_RATE_LIMITED],
            example=_EXAMPLE,
        ),
        operation_id="getTransaction",
    )
    async def transaction(
        principal: Principal, parameters: Parameters, request: Request[Any, Any, Any], chain: str, txid: str
    ) -> TransactionBody:
        await limits.count(rate_limiter, request.scope["state"])
        try:
            network = services.networks.by(chain, principal.mode)
        except UnknownNetwork:
            raise invalid("chain", "there is no such chain") from None
        try:
            wanted = network.normalise_txid(txid)
        except ValueError as error:
            raise invalid("txid", f"is {error}") from None
        invoice_id = parameters.get("invoice_id")
        if invoice_id is not None:
            known = await services.invoice_reader.get(principal.merchant_id, principal.mode, invoice_id)
            if known is None:
                raise ApiError(Code.INVOICE_NOT_FOUND, "there is no such invoice")
        viewer = Viewer.merchant(principal.merchant_id, principal.mode, invoice_id)
        return _body(await services.lookups.find(network, wanted, viewer), wanted, services.networks)

    return Router("/transactions", route_handlers=[transaction], tags=["Transactions"])


def _body(finding: Finding, txid: str, networks: Networks) -> TransactionBody:
    network = networks.get(finding.network)
    return TransactionBody(
        verdict=finding.verdict,
        message=wording.message(finding, networks),
        chain=network.chain,
        txid=txid,
        confirmations=finding.confirmations,
        confirmations_required=finding.confirmations_required,
        invoice_id=finding.invoice_id,
        replaced_by=finding.replaced_by,
        transfers=[_transfer(brought, network) for brought in finding.brought],
        network_answered=not finding.from_books and finding.verdict is not Verdict.UNAVAILABLE,
        explorer_url=network.explorer_url(txid),
    )


def _transfer(brought: Brought, network: NetworkConfig) -> TransferBody:
    asset = None if brought.asset is None else network.asset(brought.asset)
    return TransferBody(
        index=brought.index,
        to_address=brought.to_address,
        asset=brought.asset,
        amount_decimal=None if asset is None else format_amount(brought.amount_raw, asset.decimals),
        amount_raw=str(brought.amount_raw),
        invoice_id=brought.invoice_id,
        verdict=brought.verdict,
    )
