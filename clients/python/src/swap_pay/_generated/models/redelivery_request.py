from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..types import UNSET, Unset


@dataclass
class RedeliveryRequest:
    """Where to send it again: one endpoint, or all that it was sent to.

    Attributes:
        webhook_id (None | str | Unset): If left out, all endpoints that it was sent to.
    """

    webhook_id: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        webhook_id: None | str | Unset
        if isinstance(self.webhook_id, Unset):
            webhook_id = UNSET
        else:
            webhook_id = self.webhook_id
        if webhook_id is not UNSET:
            said["webhook_id"] = webhook_id
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> RedeliveryRequest:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)

        def _parse_webhook_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        webhook_id = _parse_webhook_id(left.pop("webhook_id", UNSET))

        made = cls(
            webhook_id=webhook_id,
        )
        return made
