"""The errors of this library.

A class for each code of the gateway, such as `InvalidInput`, below a class for its status, such as `BadRequest`, below
`SwapPayError`. A code of a newer gateway is raised as the class of its status.
"""

from __future__ import annotations

from swap_pay._failures import (
    BadRequest,
    ClientError,
    Conflict,
    Forbidden,
    NoAnswer,
    ResourceNotFound,
    ServerError,
    ServiceUnavailable,
    SwapPayError,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from swap_pay._generated import errors as _by_code
from swap_pay._generated.errors import *  # noqa: F403 - a class for each code of the API

__all__ = [  # noqa: PLE0604 - the second part is a list of names
    "BadRequest",
    "ClientError",
    "Conflict",
    "Forbidden",
    "NoAnswer",
    "ResourceNotFound",
    "ServerError",
    "ServiceUnavailable",
    "SwapPayError",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    *(name for name in _by_code.__all__ if name != "BY_CODE"),
]
