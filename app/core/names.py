"""Names that people choose and others read."""

import re

from app.core.errors import invalid

_ADDRESS = re.compile(r"://|\bwww\.", re.IGNORECASE)


def refuse_address(field: str, name: str) -> None:
    """Raise INVALID_INPUT, naming `field`, for a name that holds the address of a site: it could advertise or
    phish wherever it is shown. A dot alone is fine: there are merchants called Example.com."""
    if _ADDRESS.search(name):
        raise invalid(field, "must not hold the address of a site")
