from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..types import UNSET, Unset


@dataclass
class WebhookRequest:
    """A new endpoint.

    Attributes:
        url (str): https, port 443 or from 1024 up, a public address.
        description (str | Unset): For your own records. Default: ''.
        event_types (list[str] | Unset): Such as `invoice.paid`; empty means all.
    """

    url: str
    description: str | Unset = ""
    event_types: list[str] | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        url = self.url
        said["url"] = url
        description = self.description
        if description is not UNSET:
            said["description"] = description
        event_types: list[str] | Unset = UNSET
        if not isinstance(self.event_types, Unset):
            event_types = self.event_types

        if event_types is not UNSET:
            said["event_types"] = event_types
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> WebhookRequest:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        url = left.pop("url")
        description = left.pop("description", UNSET)
        event_types = cast(list[str], left.pop("event_types", UNSET))

        made = cls(
            url=url,
            description=description,
            event_types=event_types,
        )
        return made
