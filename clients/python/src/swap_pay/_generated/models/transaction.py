from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.transaction_transfer import TransactionTransfer


@dataclass
class Transaction:
    """Where a transaction is, and what it pays of yours.

    Attributes:
        verdict (str): `unavailable`: the network can't be asked now. `unknown`: it doesn't know the transaction.
            `waiting`: no block has it. `confirming`: it pays an invoice and needs more confirmations. `failed`: it
            moved nothing. `paid`, `paid_part`, `paid_short`, `paid_over`, `paid_late`, `paid_after_cancellation`,
            `paid_again`, `dust`: what it is to its invoice. `other_invoice`: it is for another one than `invoice_id`
            named. `other_asset`, `other_token`, `lookalike_token`: it brings something else than was asked for.
            `other_network`: the right address on another chain. `unclaimed`: for no invoice. `elsewhere`: it brings you
            nothing. `reorganised`, `replaced`, `dropped`: it is in no block any more, or never was.
        message (str): The verdict in English, with its figures.
        chain (str): The chain that has it; the one that was named where none has.
        txid (str): Its id, in the chain's own form.
        confirmations (int | None): Blocks from its own one on; null where that says nothing.
        confirmations_required (int | None): How many the payment needs.
        invoice_id (None | str): The invoice that the verdict is about.
        replaced_by (None | str): The transaction that took its place, where that is known.
        transfers (list[TransactionTransfer]): What it brings to addresses of your invoices.
        network_answered (bool): False where the verdict is from what was stored before.
        explorer_url (None | str): Its page at a block explorer; null where there is none.
    """

    verdict: str
    message: str
    chain: str
    txid: str
    confirmations: int | None
    confirmations_required: int | None
    invoice_id: None | str
    replaced_by: None | str
    transfers: list[TransactionTransfer]
    network_answered: bool
    explorer_url: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        verdict = self.verdict
        said["verdict"] = verdict
        message = self.message
        said["message"] = message
        chain = self.chain
        said["chain"] = chain
        txid = self.txid
        said["txid"] = txid
        confirmations: int | None
        confirmations = self.confirmations
        said["confirmations"] = confirmations
        confirmations_required: int | None
        confirmations_required = self.confirmations_required
        said["confirmations_required"] = confirmations_required
        invoice_id: None | str
        invoice_id = self.invoice_id
        said["invoice_id"] = invoice_id
        replaced_by: None | str
        replaced_by = self.replaced_by
        said["replaced_by"] = replaced_by
        transfers = []
        for transfers_item_data in self.transfers:
            transfers_item = transfers_item_data.to_dict()
            transfers.append(transfers_item)

        said["transfers"] = transfers
        network_answered = self.network_answered
        said["network_answered"] = network_answered
        explorer_url: None | str
        explorer_url = self.explorer_url
        said["explorer_url"] = explorer_url
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Transaction:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.transaction_transfer import TransactionTransfer

        left = dict(said)
        verdict = left.pop("verdict")
        message = left.pop("message")
        chain = left.pop("chain")
        txid = left.pop("txid")

        def _parse_confirmations(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        confirmations = _parse_confirmations(left.pop("confirmations"))

        def _parse_confirmations_required(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        confirmations_required = _parse_confirmations_required(left.pop("confirmations_required"))

        def _parse_invoice_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        invoice_id = _parse_invoice_id(left.pop("invoice_id"))

        def _parse_replaced_by(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        replaced_by = _parse_replaced_by(left.pop("replaced_by"))

        transfers = []
        _transfers = left.pop("transfers")
        for transfers_item_data in _transfers:
            transfers_item = TransactionTransfer.from_dict(transfers_item_data)

            transfers.append(transfers_item)

        network_answered = left.pop("network_answered")

        def _parse_explorer_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        explorer_url = _parse_explorer_url(left.pop("explorer_url"))

        made = cls(
            verdict=verdict,
            message=message,
            chain=chain,
            txid=txid,
            confirmations=confirmations,
            confirmations_required=confirmations_required,
            invoice_id=invoice_id,
            replaced_by=replaced_by,
            transfers=transfers,
            network_answered=network_answered,
            explorer_url=explorer_url,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
