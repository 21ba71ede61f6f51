from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..models.fee_payer import FeePayer
from ..models.invoice_status import InvoiceStatus
from ..models.mode import Mode
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.asset_on_chain import AssetOnChain
    from ..models.deposit import Deposit
    from ..models.metadata import Metadata
    from ..models.pay_in import PayIn
    from ..models.price import Price
    from ..models.quote import Quote
    from ..models.review import Review
    from ..models.worth import Worth


@dataclass
class Invoice:
    """A demand for one exact amount of one asset on one chain, or for a price until the customer has chosen them.

    Attributes:
        id (str): `INV-` and ten characters.
        mode (Mode): `test` has test networks and test resources, `live` the real ones.
        status (InvoiceStatus): An invoice's progress. `needs_review` shows an anomaly beside it.
        needs_review (bool): Whether an operator has to look at a deposit of it.
        review (None | Review): The review that an operator settles or has settled.
        price (None | Price): The price in a national currency; null where the asset itself was named.
        amount_decimal (None | str): The amount that was asked for, in the asset. Null in `awaiting_choice`.
        amount_raw (None | str): The amount that was asked for, in minor units. Null in `awaiting_choice`.
        pay_in (None | PayIn): The exact amount, and where to send it. Null while the customer has yet to choose an
            asset.
        quotes (list[Quote]): What the price is, or was, in assets: the current one first. The newest 20.
        pay_in_assets (list[AssetOnChain] | None): As given: what the price may be paid with. Null: all that you
            offer.
        service_fee_bps (int): The service fee in hundredths of a percent.
        service_fee_raw (None | str): The service fee in minor units, rounded up. Null in `awaiting_choice`.
        fee_payer (FeePayer): Who pays the service fee. `merchant`: out of the amount. `customer`: on top of it.
        net_raw (None | str): What the merchant will be credited for the exact payment. Null in `awaiting_choice`.
        received_raw (str): What has come in so far in the invoice's asset, dust included.
        credited (bool): Whether the merchant's balance has it.
        credited_raw (None | str): What was credited; null until then.
        refunded_raw (str): What was sent back of it, confirmed on chain.
        deposits (list[Deposit]): The transfers that were seen, oldest first.
        order_id (None | str): As given.
        description (None | str): As given. The customer sees it.
        customer_id (None | str): As given. Never public.
        metadata (Metadata): A JSON object of your own, at most 4 KiB. It comes back as it was sent.
        success_url (None | str): Where the customer goes after paying.
        fail_url (None | str): Where the customer may go after expiry or cancellation.
        webhook_url (None | str): Where this invoice's events go instead of the endpoints.
        payment_url (str): The checkout page. Send the customer there.
        expires_at (datetime.datetime): Until when the payment must be in a block.
        created_at (datetime.datetime): When it was made.
        paid_at (datetime.datetime | None): When the payment became final; null until then.
        service_fee_charged_raw (None | str | Unset): The service fee that was taken when it was credited:
            `service_fee_raw` for the exact payment, in proportion where another amount came. Null until then.
        worth (None | Unset | Worth): What was credited was worth this much then, in your reporting currency. Null
            before, and where there was no rate: it is never filled in later.
        payment_link (None | str | Unset): The payment link that it was made by, `PL-` and ten characters; else
            null.
    """

    id: str
    mode: Mode
    status: InvoiceStatus
    needs_review: bool
    review: None | Review
    price: None | Price
    amount_decimal: None | str
    amount_raw: None | str
    pay_in: None | PayIn
    quotes: list[Quote]
    pay_in_assets: list[AssetOnChain] | None
    service_fee_bps: int
    service_fee_raw: None | str
    fee_payer: FeePayer
    net_raw: None | str
    received_raw: str
    credited: bool
    credited_raw: None | str
    refunded_raw: str
    deposits: list[Deposit]
    order_id: None | str
    description: None | str
    customer_id: None | str
    metadata: Metadata
    success_url: None | str
    fail_url: None | str
    webhook_url: None | str
    payment_url: str
    expires_at: datetime.datetime
    created_at: datetime.datetime
    paid_at: datetime.datetime | None
    service_fee_charged_raw: None | str | Unset = UNSET
    worth: None | Unset | Worth = UNSET
    payment_link: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.pay_in import PayIn
        from ..models.price import Price
        from ..models.review import Review
        from ..models.worth import Worth

        said: dict[str, Any] = dict(self.additional_properties)
        id = self.id
        said["id"] = id
        mode = self.mode.value
        said["mode"] = mode
        status = self.status.value
        said["status"] = status
        needs_review = self.needs_review
        said["needs_review"] = needs_review
        review: dict[str, Any] | None
        if isinstance(self.review, Review):
            review = self.review.to_dict()
        else:
            review = self.review
        said["review"] = review
        price: dict[str, Any] | None
        if isinstance(self.price, Price):
            price = self.price.to_dict()
        else:
            price = self.price
        said["price"] = price
        amount_decimal: None | str
        amount_decimal = self.amount_decimal
        said["amount_decimal"] = amount_decimal
        amount_raw: None | str
        amount_raw = self.amount_raw
        said["amount_raw"] = amount_raw
        pay_in: dict[str, Any] | None
        if isinstance(self.pay_in, PayIn):
            pay_in = self.pay_in.to_dict()
        else:
            pay_in = self.pay_in
        said["pay_in"] = pay_in
        quotes = []
        for quotes_item_data in self.quotes:
            quotes_item = quotes_item_data.to_dict()
            quotes.append(quotes_item)

        said["quotes"] = quotes
        pay_in_assets: list[dict[str, Any]] | None
        if isinstance(self.pay_in_assets, list):
            pay_in_assets = []
            for pay_in_assets_type_0_item_data in self.pay_in_assets:
                pay_in_assets_type_0_item = pay_in_assets_type_0_item_data.to_dict()
                pay_in_assets.append(pay_in_assets_type_0_item)

        else:
            pay_in_assets = self.pay_in_assets
        said["pay_in_assets"] = pay_in_assets
        service_fee_bps = self.service_fee_bps
        said["service_fee_bps"] = service_fee_bps
        service_fee_raw: None | str
        service_fee_raw = self.service_fee_raw
        said["service_fee_raw"] = service_fee_raw
        fee_payer = self.fee_payer.value
        said["fee_payer"] = fee_payer
        net_raw: None | str
        net_raw = self.net_raw
        said["net_raw"] = net_raw
        received_raw = self.received_raw
        said["received_raw"] = received_raw
        credited = self.credited
        said["credited"] = credited
        credited_raw: None | str
        credited_raw = self.credited_raw
        said["credited_raw"] = credited_raw
        refunded_raw = self.refunded_raw
        said["refunded_raw"] = refunded_raw
        deposits = []
        for deposits_item_data in self.deposits:
            deposits_item = deposits_item_data.to_dict()
            deposits.append(deposits_item)

        said["deposits"] = deposits
        order_id: None | str
        order_id = self.order_id
        said["order_id"] = order_id
        description: None | str
        description = self.description
        said["description"] = description
        customer_id: None | str
        customer_id = self.customer_id
        said["customer_id"] = customer_id
        metadata = self.metadata.to_dict()
        said["metadata"] = metadata
        success_url: None | str
        success_url = self.success_url
        said["success_url"] = success_url
        fail_url: None | str
        fail_url = self.fail_url
        said["fail_url"] = fail_url
        webhook_url: None | str
        webhook_url = self.webhook_url
        said["webhook_url"] = webhook_url
        payment_url = self.payment_url
        said["payment_url"] = payment_url
        expires_at = self.expires_at.isoformat()
        said["expires_at"] = expires_at
        created_at = self.created_at.isoformat()
        said["created_at"] = created_at
        paid_at: None | str
        if isinstance(self.paid_at, datetime.datetime):
            paid_at = self.paid_at.isoformat()
        else:
            paid_at = self.paid_at
        said["paid_at"] = paid_at
        service_fee_charged_raw: None | str | Unset
        if isinstance(self.service_fee_charged_raw, Unset):
            service_fee_charged_raw = UNSET
        else:
            service_fee_charged_raw = self.service_fee_charged_raw
        if service_fee_charged_raw is not UNSET:
            said["service_fee_charged_raw"] = service_fee_charged_raw
        worth: dict[str, Any] | None | Unset
        if isinstance(self.worth, Unset):
            worth = UNSET
        elif isinstance(self.worth, Worth):
            worth = self.worth.to_dict()
        else:
            worth = self.worth
        if worth is not UNSET:
            said["worth"] = worth
        payment_link: None | str | Unset
        if isinstance(self.payment_link, Unset):
            payment_link = UNSET
        else:
            payment_link = self.payment_link
        if payment_link is not UNSET:
            said["payment_link"] = payment_link
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Invoice:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.asset_on_chain import AssetOnChain
        from ..models.deposit import Deposit
        from ..models.metadata import Metadata
        from ..models.pay_in import PayIn
        from ..models.price import Price
        from ..models.quote import Quote
        from ..models.review import Review
        from ..models.worth import Worth

        left = dict(said)
        id = left.pop("id")
        mode = Mode(left.pop("mode"))

        status = InvoiceStatus(left.pop("status"))

        needs_review = left.pop("needs_review")

        def _parse_review(data: object) -> None | Review:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                review_type_0 = Review.from_dict(data)

                return review_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Review, data)

        review = _parse_review(left.pop("review"))

        def _parse_price(data: object) -> None | Price:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                price_type_0 = Price.from_dict(data)

                return price_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Price, data)

        price = _parse_price(left.pop("price"))

        def _parse_amount_decimal(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        amount_decimal = _parse_amount_decimal(left.pop("amount_decimal"))

        def _parse_amount_raw(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        amount_raw = _parse_amount_raw(left.pop("amount_raw"))

        def _parse_pay_in(data: object) -> None | PayIn:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                pay_in_type_0 = PayIn.from_dict(data)

                return pay_in_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | PayIn, data)

        pay_in = _parse_pay_in(left.pop("pay_in"))

        quotes = []
        _quotes = left.pop("quotes")
        for quotes_item_data in _quotes:
            quotes_item = Quote.from_dict(quotes_item_data)

            quotes.append(quotes_item)

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

        service_fee_bps = left.pop("service_fee_bps")

        def _parse_service_fee_raw(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        service_fee_raw = _parse_service_fee_raw(left.pop("service_fee_raw"))

        fee_payer = FeePayer(left.pop("fee_payer"))

        def _parse_net_raw(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        net_raw = _parse_net_raw(left.pop("net_raw"))

        received_raw = left.pop("received_raw")
        credited = left.pop("credited")

        def _parse_credited_raw(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        credited_raw = _parse_credited_raw(left.pop("credited_raw"))

        refunded_raw = left.pop("refunded_raw")
        deposits = []
        _deposits = left.pop("deposits")
        for deposits_item_data in _deposits:
            deposits_item = Deposit.from_dict(deposits_item_data)

            deposits.append(deposits_item)

        def _parse_order_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        order_id = _parse_order_id(left.pop("order_id"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(left.pop("description"))

        def _parse_customer_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        customer_id = _parse_customer_id(left.pop("customer_id"))

        metadata = Metadata.from_dict(left.pop("metadata"))

        def _parse_success_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        success_url = _parse_success_url(left.pop("success_url"))

        def _parse_fail_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        fail_url = _parse_fail_url(left.pop("fail_url"))

        def _parse_webhook_url(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        webhook_url = _parse_webhook_url(left.pop("webhook_url"))

        payment_url = left.pop("payment_url")
        expires_at = datetime.datetime.fromisoformat(left.pop("expires_at").replace("Z", "+00:00"))

        created_at = datetime.datetime.fromisoformat(left.pop("created_at").replace("Z", "+00:00"))

        def _parse_paid_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                paid_at_type_0 = datetime.datetime.fromisoformat(data.replace("Z", "+00:00"))

                return paid_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        paid_at = _parse_paid_at(left.pop("paid_at"))

        def _parse_service_fee_charged_raw(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        service_fee_charged_raw = _parse_service_fee_charged_raw(left.pop("service_fee_charged_raw", UNSET))

        def _parse_worth(data: object) -> None | Unset | Worth:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                worth_type_0 = Worth.from_dict(data)

                return worth_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | Worth, data)

        worth = _parse_worth(left.pop("worth", UNSET))

        def _parse_payment_link(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        payment_link = _parse_payment_link(left.pop("payment_link", UNSET))

        made = cls(
            id=id,
            mode=mode,
            status=status,
            needs_review=needs_review,
            review=review,
            price=price,
            amount_decimal=amount_decimal,
            amount_raw=amount_raw,
            pay_in=pay_in,
            quotes=quotes,
            pay_in_assets=pay_in_assets,
            service_fee_bps=service_fee_bps,
            service_fee_raw=service_fee_raw,
            fee_payer=fee_payer,
            net_raw=net_raw,
            received_raw=received_raw,
            credited=credited,
            credited_raw=credited_raw,
            refunded_raw=refunded_raw,
            deposits=deposits,
            order_id=order_id,
            description=description,
            customer_id=customer_id,
            metadata=metadata,
            success_url=success_url,
            fail_url=fail_url,
            webhook_url=webhook_url,
            payment_url=payment_url,
            expires_at=expires_at,
            created_at=created_at,
            paid_at=paid_at,
            service_fee_charged_raw=service_fee_charged_raw,
            worth=worth,
            payment_link=payment_link,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
