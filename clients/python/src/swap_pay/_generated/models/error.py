from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..models.error_code import ErrorCode
from ..types import UNSET, Unset


@dataclass
class Error:
    """What went wrong.

    Attributes:
        code (ErrorCode): Stable, for programs. New codes may be added.
        message (str): For people. Names the field at fault.
        request_id (str): The value of `X-Request-Id`.
        invoice_id (str | Unset): Only with `DUPLICATE_ORDER_ID`: your invoice that has the order id.
    """

    code: ErrorCode
    message: str
    request_id: str
    invoice_id: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        code = self.code.value
        said["code"] = code
        message = self.message
        said["message"] = message
        request_id = self.request_id
        said["request_id"] = request_id
        invoice_id = self.invoice_id
        if invoice_id is not UNSET:
            said["invoice_id"] = invoice_id
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Error:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        code = ErrorCode(left.pop("code"))

        message = left.pop("message")
        request_id = left.pop("request_id")
        invoice_id = left.pop("invoice_id", UNSET)
        made = cls(
            code=code,
            message=message,
            request_id=request_id,
            invoice_id=invoice_id,
        )
        return made
