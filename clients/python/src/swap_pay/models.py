"""The values of the API: `Invoice`, `Payout`, `InvoiceStatus` and all others, as dataclasses and enumerations.

Fields that a newer gateway sends are in `additional_properties`, and values that it has added are kept: a status that
this version does not know compares as its text, and its `is_known` is False.
"""

from __future__ import annotations

from swap_pay._generated import models as _models
from swap_pay._generated.models import *  # noqa: F403 - every value of the API

__all__ = list(_models.__all__)
