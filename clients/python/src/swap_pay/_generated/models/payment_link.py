from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..models.mode import Mode

if TYPE_CHECKING:
    from ..models.asset_on_chain import AssetOnChain
    from ..models.metadata import Metadata


@dataclass
class PaymentLink:
    """A link that makes an invoice for everybody who opens it and wants to pay.

    Attributes:
        id (str): `PL-` and ten characters.
        mode (Mode): `test` has test networks and test resources, `live` the real ones.
        url (str): The link's page. Everybody who has it can pay.
        active (bool): Whether you have it switched on.
        status (str): `open`: it can be paid by. `inactive`: it is switched off. `expired`: its `expires_at` has
            passed. `used_up`: as many payments are taken as `max_payments` allows.
        amount (None | str): What is asked for. Null: the customer enters an amount.
        min_amount (None | str): The least that the customer may enter.
        max_amount (None | str): The most that the customer may enter.
        currency (str): The asset's symbol; or, without `chain`, a national currency.
        chain (None | str): The chain to be paid on; null for a national currency.
        pay_in_assets (list[AssetOnChain] | None): What a price may be paid with. Null: all that you offer.
        description (None | str): As given. The customer sees it, and each invoice has it.
        max_payments (int | None): How many payments it may take. Null: any number.
        payments_taken (int): Its invoices that are paid or may still be, counted up to 10000: one counts from its
            creation until it is expired, cancelled or closed.
        expires_at (datetime.datetime | None): Until when it makes invoices. Null: for good.
        success_url (None | str): Where the customer goes after paying.
        metadata (Metadata): A JSON object of your own, at most 4 KiB. It comes back as it was sent.
        created_at (datetime.datetime): When it was made.
    """

    id: str
    mode: Mode
    url: str
    active: bool
    status: str
    amount: None | str
    min_amount: None | str
    max_amount: None | str
    currency: str
    chain: None | str
    pay_in_assets: list[AssetOnChain] | None
    description: None | str
    max_payments: int | None
    payments_taken: int
    expires_at: datetime.datetime | None
    success_url: None | str
    metadata: Metadata
    created_at: datetime.datetime
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        id = self.id
        said["id"] = id
        mode = self.mode.value
        said["mode"] = mode
        url = self.url
        said["url"] = url
        active = self.active
        said["active"] = active
        status = self.status
        said["status"] = status
        amount: None | str
        amount = self.amount
        said["amount"] = amount
        min_amount: None | str
        min_amount = self.min_amount
        said["min_amount"] = min_amount
        max_amount: None | str
        max_amount = self.max_amount
        said["max_amount"] = max_amount
        currency = self.currency
        said["currency"] = currency
        chain: None | str
        chain = self.chain
        said["chain"] = chain
        pay_in_assets: list[dict[str, Any]] | None
        if isinstance(self.pay_in_assets, list):
            pay_in_assets = []
            for pay_in_assets_type_0_item_data in self.pay_in_assets:
                pay_in_assets_type_0_item = pay_in_assets_type_0_item_data.to_dict()
                pay_in_assets.append(pay_in_assets_type_0_item)

        else:
            pay_in_assets = self.pay_in_assets
        said["pay_in_assets"] = pay_in_assets
        description: None | str
        description = self.description
        said["description"] = description
        max_payments: int | None
        max_payments = self.max_payments
        said["max_payments"] = max_payments
        payments_taken = self.payments_taken
        said["payments_taken"] = payments_taken
        expires_at: None | str
        if isinstance(self.expires_at, datetime.datetime):
            expires_at = self.expires_at.isoformat()
        else:
            expires_at = self.expires_at
        said["expires_at"] = expires_at
        success_url: None | str
        success_url = self.success_url
        said["success_url"] = success_url
        metadata = self.metadata.to_dict()
        said["metadata"] = metadata
        created_at = self.created_at.isoformat()
        said["created_at"] = created_at
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> PaymentLink:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.asset_on_chain import AssetOnChain
        from ..models.metadata import Metadata

        left = dict(said)
        id = left.pop("id")
        mode = Mode(left.pop("mode"))

        url = left.pop("url")
        active = left.pop("active")
        status = left.pop("status")

        def _parse_amount(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        amount = _parse_amount(left.pop("amount"))

        def _parse_min_amount(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        min_amount = _parse_min_amount(left.pop("min_amount"))

        def _parse_max_amount(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        max_amount = _parse_max_amount(left.pop("max_amount"))

        currency = left.pop("currency")

        def _parse_chain(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        chain = _parse_chain(left.pop("chain"))

        def _parse_pay_in_assets(data: object) -> list[AssetOnChain] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                pay_in_assets_type_0 = []
                _pay_in_assets_type_0 = data
                for pay_in_assets_type_0_item_data in _pay_in_assets_type_0:
                    pay_in_assets_type_0_item = AssetOnChain.from_dict(pay_in_assets_type_0_item_data)

                    pay_in_assets_type_0.append(pay_in_assets_type_0_item)

                return pay_in_assets_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[AssetOnChain] | None, data)

        pay_in_assets = _parse_pay_in_assets(left.pop("pay_in_assets"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(left.pop("description"))

        def _parse_max_payments(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        max_payments = _parse_max_payments(left.pop("max_payments"))

        payments_taken = left.pop("payments_taken")

        def _parse_expires_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                expires_at_type_0 = datetime.datetime.fromisoformat(data.replace("Z", "+00:00"))

                return expires_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        expires_at = _parse_expires_at(left.pop("expires_at"))

        def _parse_success_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        success_url = _parse_success_url(left.pop("success_url"))

        metadata = Metadata.from_dict(left.pop("metadata"))

        created_at = datetime.datetime.fromisoformat(left.pop("created_at").replace("Z", "+00:00"))

        made = cls(
            id=id,
            mode=mode,
            url=url,
            active=active,
            status=status,
            amount=amount,
            min_amount=min_amount,
            max_amount=max_amount,
            currency=currency,
            chain=chain,
            pay_in_assets=pay_in_assets,
            description=description,
            max_payments=max_payments,
            payments_taken=payments_taken,
            expires_at=expires_at,
            success_url=success_url,
            metadata=metadata,
            created_at=created_at,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
