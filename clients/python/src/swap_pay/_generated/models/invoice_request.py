from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..models.fee_payer import FeePayer
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.asset_on_chain import AssetOnChain
    from ..models.metadata import Metadata


@dataclass
class InvoiceRequest:
    """A new invoice.

    Attributes:
        amount (str): A decimal greater than zero, with no more places than the asset or the currency has. No sign,
            no exponent.
        currency (str): The asset's symbol, see `GET /assets`; or, without `chain`, the national currency of a price
            (ISO 4217) that you have enabled.
        chain (None | str | Unset): The chain to be paid on, see `GET /assets`. Left out for a price in a national
            currency.
        pay_in_assets (list[AssetOnChain] | None | Unset): What a price may be paid with; left out, all that you
            offer. With one entry the answer already holds the quote.
        description (None | str | Unset): Shown to the customer.
        order_id (None | str | Unset): Your order. Unique while the invoice is neither cancelled nor expired.
        customer_id (None | str | Unset): Your customer. Never shown publicly.
        customer_email (None | str | Unset): Stored only as a keyed hash, for `?customer_email=`.
        success_url (None | str | Unset): Where the customer goes after paying. https, no user info; with a test key
            also http on localhost.
        fail_url (None | str | Unset): Offered to the customer after expiry or cancellation. https, no user info;
            with a test key also http on localhost.
        webhook_url (None | str | Unset): Where this invoice's events go instead of your endpoints. https, a public
            address.
        metadata (Metadata | None | Unset): An object of your own, at most 4 KiB as JSON. Echoed in answers and
            events.
        expires_in (int | Unset): Minutes to pay in. Default: 60.
        fee_payer (FeePayer | None | Unset): Who pays the service fee. If left out, the merchant's setting.
    """

    amount: str
    currency: str
    chain: None | str | Unset = UNSET
    pay_in_assets: list[AssetOnChain] | None | Unset = UNSET
    description: None | str | Unset = UNSET
    order_id: None | str | Unset = UNSET
    customer_id: None | str | Unset = UNSET
    customer_email: None | str | Unset = UNSET
    success_url: None | str | Unset = UNSET
    fail_url: None | str | Unset = UNSET
    webhook_url: None | str | Unset = UNSET
    metadata: Metadata | None | Unset = UNSET
    expires_in: int | Unset = 60
    fee_payer: FeePayer | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.metadata import Metadata

        said: dict[str, Any] = {}
        amount = self.amount
        said["amount"] = amount
        currency = self.currency
        said["currency"] = currency
        chain: None | str | Unset
        if isinstance(self.chain, Unset):
            chain = UNSET
        else:
            chain = self.chain
        if chain is not UNSET:
            said["chain"] = chain
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
        order_id: None | str | Unset
        if isinstance(self.order_id, Unset):
            order_id = UNSET
        else:
            order_id = self.order_id
        if order_id is not UNSET:
            said["order_id"] = order_id
        customer_id: None | str | Unset
        if isinstance(self.customer_id, Unset):
            customer_id = UNSET
        else:
            customer_id = self.customer_id
        if customer_id is not UNSET:
            said["customer_id"] = customer_id
        customer_email: None | str | Unset
        if isinstance(self.customer_email, Unset):
            customer_email = UNSET
        else:
            customer_email = self.customer_email
        if customer_email is not UNSET:
            said["customer_email"] = customer_email
        success_url: None | str | Unset
        if isinstance(self.success_url, Unset):
            success_url = UNSET
        else:
            success_url = self.success_url
        if success_url is not UNSET:
            said["success_url"] = success_url
        fail_url: None | str | Unset
        if isinstance(self.fail_url, Unset):
            fail_url = UNSET
        else:
            fail_url = self.fail_url
        if fail_url is not UNSET:
            said["fail_url"] = fail_url
        webhook_url: None | str | Unset
        if isinstance(self.webhook_url, Unset):
            webhook_url = UNSET
        else:
            webhook_url = self.webhook_url
        if webhook_url is not UNSET:
            said["webhook_url"] = webhook_url
        metadata: dict[str, Any] | None | Unset
        if isinstance(self.metadata, Unset):
            metadata = UNSET
        elif isinstance(self.metadata, Metadata):
            metadata = self.metadata.to_dict()
        else:
            metadata = self.metadata
        if metadata is not UNSET:
            said["metadata"] = metadata
        expires_in = self.expires_in
        if expires_in is not UNSET:
            said["expires_in"] = expires_in
        fee_payer: None | str | Unset
        if isinstance(self.fee_payer, Unset):
            fee_payer = UNSET
        elif isinstance(self.fee_payer, FeePayer):
            fee_payer = self.fee_payer.value
        else:
            fee_payer = self.fee_payer
        if fee_payer is not UNSET:
            said["fee_payer"] = fee_payer
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> InvoiceRequest:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.asset_on_chain import AssetOnChain
        from ..models.metadata import Metadata

        left = dict(said)
        amount = left.pop("amount")
        currency = left.pop("currency")

        def _parse_chain(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        chain = _parse_chain(left.pop("chain", UNSET))

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

        def _parse_order_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        order_id = _parse_order_id(left.pop("order_id", UNSET))

        def _parse_customer_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        customer_id = _parse_customer_id(left.pop("customer_id", UNSET))

        def _parse_customer_email(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        customer_email = _parse_customer_email(left.pop("customer_email", UNSET))

        def _parse_success_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        success_url = _parse_success_url(left.pop("success_url", UNSET))

        def _parse_fail_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        fail_url = _parse_fail_url(left.pop("fail_url", UNSET))

        def _parse_webhook_url(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        webhook_url = _parse_webhook_url(left.pop("webhook_url", UNSET))

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

        expires_in = left.pop("expires_in", UNSET)

        def _parse_fee_payer(data: object) -> FeePayer | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                fee_payer_type_0 = FeePayer(data)

                return fee_payer_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(FeePayer | None | Unset, data)

        fee_payer = _parse_fee_payer(left.pop("fee_payer", UNSET))

        made = cls(
            amount=amount,
            currency=currency,
            chain=chain,
            pay_in_assets=pay_in_assets,
            description=description,
            order_id=order_id,
            customer_id=customer_id,
            customer_email=customer_email,
            success_url=success_url,
            fail_url=fail_url,
            webhook_url=webhook_url,
            metadata=metadata,
            expires_in=expires_in,
            fee_payer=fee_payer,
        )
        return made
