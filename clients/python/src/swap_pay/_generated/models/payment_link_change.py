from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.asset_on_chain import AssetOnChain
    from ..models.metadata import Metadata


@dataclass
class PaymentLinkChange:
    """The fields to change. Fields that are left out stay; null takes a value away.

    Attributes:
        amount (None | str | Unset): What is asked for. Left out or null: the customer enters an amount.
        min_amount (None | str | Unset): The least that the customer may enter. Only without `amount`.
        max_amount (None | str | Unset): The most that the customer may enter. Only without `amount`.
        pay_in_assets (list[AssetOnChain] | None | Unset): What a price may be paid with; left out, all that you
            offer.
        description (None | str | Unset): Shown to the customer, on the link's page and on its invoices.
        max_payments (int | None | Unset): How many payments it may take. Left out or null: any number.
        expires_at (None | str | Unset): Until when it makes invoices, RFC 3339 with a time zone. Left out or null:
            for good.
        success_url (None | str | Unset): Where the customer goes after paying. https, no user info.
        metadata (Metadata | None | Unset): An object of your own, at most 4 KiB as JSON. Each of its invoices has
            it.
        active (bool | Unset): Whether it makes invoices. Switch it off and on as you like.
    """

    amount: None | str | Unset = UNSET
    min_amount: None | str | Unset = UNSET
    max_amount: None | str | Unset = UNSET
    pay_in_assets: list[AssetOnChain] | None | Unset = UNSET
    description: None | str | Unset = UNSET
    max_payments: int | None | Unset = UNSET
    expires_at: None | str | Unset = UNSET
    success_url: None | str | Unset = UNSET
    metadata: Metadata | None | Unset = UNSET
    active: bool | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.metadata import Metadata

        said: dict[str, Any] = {}
        amount: None | str | Unset
        if isinstance(self.amount, Unset):
            amount = UNSET
        else:
            amount = self.amount
        if amount is not UNSET:
            said["amount"] = amount
        min_amount: None | str | Unset
        if isinstance(self.min_amount, Unset):
            min_amount = UNSET
        else:
            min_amount = self.min_amount
        if min_amount is not UNSET:
            said["min_amount"] = min_amount
        max_amount: None | str | Unset
        if isinstance(self.max_amount, Unset):
            max_amount = UNSET
        else:
            max_amount = self.max_amount
        if max_amount is not UNSET:
            said["max_amount"] = max_amount
        pay_in_assets: list[dict[str, Any]] | None | Unset
        if isinstance(self.pay_in_assets, Unset):
            pay_in_assets = UNSET
        elif isinstance(self.pay_in_assets, list):
            pay_in_assets = []
            for pay_in_assets_type_0_item_data in self.pay_in_assets:
                pay_in_assets_type_0_item = pay_in_assets_type_0_item_data.to_dict()
                pay_in_assets.append(pay_in_assets_type_0_item)

        else:
            pay_in_assets = self.pay_in_assets
        if pay_in_assets is not UNSET:
            said["pay_in_assets"] = pay_in_assets
        description: None | str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description
        if description is not UNSET:
            said["description"] = description
        max_payments: int | None | Unset
        if isinstance(self.max_payments, Unset):
            max_payments = UNSET
        else:
            max_payments = self.max_payments
        if max_payments is not UNSET:
            said["max_payments"] = max_payments
        expires_at: None | str | Unset
        if isinstance(self.expires_at, Unset):
            expires_at = UNSET
        else:
            expires_at = self.expires_at
        if expires_at is not UNSET:
            said["expires_at"] = expires_at
        success_url: None | str | Unset
        if isinstance(self.success_url, Unset):
            success_url = UNSET
        else:
            success_url = self.success_url
        if success_url is not UNSET:
            said["success_url"] = success_url
        metadata: dict[str, Any] | None | Unset
        if isinstance(self.metadata, Unset):
            metadata = UNSET
        elif isinstance(self.metadata, Metadata):
            metadata = self.metadata.to_dict()
        else:
            metadata = self.metadata
        if metadata is not UNSET:
            said["metadata"] = metadata
        active = self.active
        if active is not UNSET:
            said["active"] = active
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> PaymentLinkChange:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.asset_on_chain import AssetOnChain
        from ..models.metadata import Metadata

        left = dict(said)

        def _parse_amount(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        amount = _parse_amount(left.pop("amount", UNSET))

        def _parse_min_amount(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        min_amount = _parse_min_amount(left.pop("min_amount", UNSET))

        def _parse_max_amount(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        max_amount = _parse_max_amount(left.pop("max_amount", UNSET))

        def _parse_pay_in_assets(data: object) -> list[AssetOnChain] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
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
            return cast(list[AssetOnChain] | None | Unset, data)

        pay_in_assets = _parse_pay_in_assets(left.pop("pay_in_assets", UNSET))

        def _parse_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        description = _parse_description(left.pop("description", UNSET))

        def _parse_max_payments(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        max_payments = _parse_max_payments(left.pop("max_payments", UNSET))

        def _parse_expires_at(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        expires_at = _parse_expires_at(left.pop("expires_at", UNSET))

        def _parse_success_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        success_url = _parse_success_url(left.pop("success_url", UNSET))

        def _parse_metadata(data: object) -> Metadata | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                metadata_type_0 = Metadata.from_dict(data)

                return metadata_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Metadata | None | Unset, data)

        metadata = _parse_metadata(left.pop("metadata", UNSET))

        active = left.pop("active", UNSET)
        made = cls(
            amount=amount,
            min_amount=min_amount,
            max_amount=max_amount,
            pay_in_assets=pay_in_assets,
            description=description,
            max_payments=max_payments,
            expires_at=expires_at,
            success_url=success_url,
            metadata=metadata,
            active=active,
        )
        return made
