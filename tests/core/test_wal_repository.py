"""Where a primary is in its WAL: the end of its last record, as its standbys count."""

from typing import Any

import pytest

from app.core import clock
from app.core.wal_repository import place

PAGE, MIB = 8192, 2**20


@pytest.mark.parametrize(
    ("insert", "is_standby", "end"),
    [
        (16 * MIB + 40, False, 16 * MIB),
        (16 * MIB + PAGE + 24, False, 16 * MIB + PAGE),
        (16 * MIB + PAGE + 40, False, 16 * MIB + PAGE + 40),
        (17 * MIB + 40, False, 17 * MIB + 40),
        (16 * MIB + 48, False, 16 * MIB + 48),
        (16 * MIB + 40, True, 16 * MIB + 40),
    ],
)
async def test_heads_of_pages_without_records_are_not_counted(insert: int, is_standby: bool, end: int) -> None:
    async def fetch_row(_: str) -> dict[str, Any]:
        known = {"timeline": 1, "system": 7, "started_at": clock.now(), "segment": 16 * MIB}
        return known | {"is_standby": is_standby, "position": insert}

    assert (await place(fetch_row)).position == end
