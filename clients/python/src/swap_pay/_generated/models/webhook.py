from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..models.mode import Mode
from ..models.webhook_status import WebhookStatus


@dataclass
class Webhook:
    """An endpoint of yours.

    Attributes:
        id (str): `WH-` and ten characters.
        mode (Mode): `test` has test networks and test resources, `live` the real ones.
        url (str): In canonical form.
        description (str): For your own records.
        event_types (list[str]): Empty means all.
        implicit (bool): Created by an invoice's `webhook_url`.
        status (WebhookStatus): While an endpoint is paused, its deliveries wait; disabled, there are none.
        status_reason (None | str): Why it is not enabled: twenty failures in a row, a response of 410, or your own
            request.
        status_since (str): When the status began.
        consecutive_failures (int): Failures in a row; twenty pause the endpoint.
        previous_secret_until (None | str): Until when the previous secret signs too; null if it does not.
        created_at (str): When it was created.
    """

    id: str
    mode: Mode
    url: str
    description: str
    event_types: list[str]
    implicit: bool
    status: WebhookStatus
    status_reason: None | str
    status_since: str
    consecutive_failures: int
    previous_secret_until: None | str
    created_at: str
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
        description = self.description
        said["description"] = description
        event_types = self.event_types

        said["event_types"] = event_types
        implicit = self.implicit
        said["implicit"] = implicit
        status = self.status.value
        said["status"] = status
        status_reason: None | str
        status_reason = self.status_reason
        said["status_reason"] = status_reason
        status_since = self.status_since
        said["status_since"] = status_since
        consecutive_failures = self.consecutive_failures
        said["consecutive_failures"] = consecutive_failures
        previous_secret_until: None | str
        previous_secret_until = self.previous_secret_until
        said["previous_secret_until"] = previous_secret_until
        created_at = self.created_at
        said["created_at"] = created_at
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Webhook:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        id = left.pop("id")
        mode = Mode(left.pop("mode"))

        url = left.pop("url")
        description = left.pop("description")
        event_types = cast(list[str], left.pop("event_types"))

        implicit = left.pop("implicit")
        status = WebhookStatus(left.pop("status"))

        def _parse_status_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        status_reason = _parse_status_reason(left.pop("status_reason"))

        status_since = left.pop("status_since")
        consecutive_failures = left.pop("consecutive_failures")

        def _parse_previous_secret_until(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        previous_secret_until = _parse_previous_secret_until(left.pop("previous_secret_until"))

        created_at = left.pop("created_at")
        made = cls(
            id=id,
            mode=mode,
            url=url,
            description=description,
            event_types=event_types,
            implicit=implicit,
            status=status,
            status_reason=status_reason,
            status_since=status_since,
            consecutive_failures=consecutive_failures,
            previous_secret_until=previous_secret_until,
            created_at=created_at,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
