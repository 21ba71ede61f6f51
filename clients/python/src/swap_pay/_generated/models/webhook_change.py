from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..models.webhook_status import WebhookStatus
from ..types import UNSET, Unset


@dataclass
class WebhookChange:
    """The fields to change. Fields that are left out stay.

    Attributes:
        url (str | Unset): https, port 443 or from 1024 up, a public address.
        description (str | Unset): For your own records.
        event_types (list[str] | Unset): Such as `invoice.paid`; empty means all.
        status (WebhookStatus | Unset): While an endpoint is paused, its deliveries wait; disabled, there are none.
    """

    url: str | Unset = UNSET
    description: str | Unset = UNSET
    event_types: list[str] | Unset = UNSET
    status: WebhookStatus | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        url = self.url
        if url is not UNSET:
            said["url"] = url
        description = self.description
        if description is not UNSET:
            said["description"] = description
        event_types: list[str] | Unset = UNSET
        if not isinstance(self.event_types, Unset):
            event_types = self.event_types

        if event_types is not UNSET:
            said["event_types"] = event_types
        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status.value

        if status is not UNSET:
            said["status"] = status
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> WebhookChange:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        url = left.pop("url", UNSET)
        description = left.pop("description", UNSET)
        event_types = cast(list[str], left.pop("event_types", UNSET))

        _status = left.pop("status", UNSET)
        status: WebhookStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = WebhookStatus(_status)

        made = cls(
            url=url,
            description=description,
            event_types=event_types,
            status=status,
        )
        return made
