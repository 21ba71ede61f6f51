"""QR codes of payments: as small as what they hold allows."""

import re

from app.web.qr import qr

ADDRESS = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"


def modules(text: str) -> int:
    """The width of the code, its margin included."""
    found = re.search(r'viewBox="0 0 (\d+) \d+"', qr(text, label="a payment"))
    assert found is not None
    return int(found[1])


def test_capitals_before_the_amount_make_a_smaller_code() -> None:
    assert modules(f"BITCOIN:{ADDRESS.upper()}?amount=0.00150000") < modules(f"bitcoin:{ADDRESS}?amount=0.00150000")


def test_the_label_is_escaped() -> None:
    assert 'aria-label="&lt;b&gt;"' in qr("bitcoin:x", label="<b>")
