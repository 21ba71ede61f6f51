"""docs/statements.md names every column of the files, and every kind of entry that a merchant's ledger can have."""

import re

from app.cabinet.labels import ENTRY_KINDS
from app.cabinet.statement_files import BANK_COLUMNS, LINE_COLUMNS, THREE_COLUMNS
from app.sandbox.home import ROOT

PAGE = (ROOT / "docs" / "statements.md").read_text()


def test_the_page_lists_the_columns_and_kinds() -> None:
    rows = re.findall(r"^\| (`[A-Za-z_`, ]+`) \|", PAGE, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert listed == [*LINE_COLUMNS, *BANK_COLUMNS]
    assert f"`{','.join(THREE_COLUMNS)}`" in PAGE
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(ENTRY_KINDS) - named == {"service_fee", "payout_fee", "refund_fee"}, "those are in the ledger of fees"
