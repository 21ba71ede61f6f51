"""What a text in a search box is read as."""

import msgspec
import pytest

from app.core.search_text import read
from app.core.searching import Search


@pytest.mark.parametrize(
    ("text", "kind", "part"),
    [
        ("INV-0123456789", "INV", "0123456789"),
        ("inv-7q2k", "INV", "7Q2K"),
        ("inv 7q2k", "INV", "7Q2K"),
        ("inv7q2k", "INV", "7Q2K"),
        ("7q2k", "", "7Q2K"),
        ("INV-OIL", "INV", "011"),
        ("rf-ab", "RF", "AB"),
        ("dep12", "", "DEP12"),
        ("inv-012345678U", "", None),
        ("order-2026-1", "", None),
        ("0x12ab34cd56ef", "", None),
        ("", "", None),
    ],
)
def test_a_part_of_an_id_is_read_in_the_letters_of_ids(text: str, kind: str, part: str | None) -> None:
    found = read(text)
    assert (found.id_kind, found.id_part) == (kind, part)


def test_the_beginning_of_an_id_is_a_range_of_whole_ids() -> None:
    assert read("inv-7q").id_range("INV") == ("INV-7Q00000000", "INV-7QZZZZZZZZ")
    assert read("inv-7q").id_range("PO") is None
    assert read("7q").id_range("PO") == ("PO-7Q00000000", "PO-7QZZZZZZZZ")
    assert read("7").id_range("PO") is None  # too little, and no prefix
    assert read("7q2k").id_end("INV") == "7Q2K"
    assert read("7q2").id_end("INV") is None


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("49.90 EUR", "49.90", "EUR"),
        ("EUR 49,90", "49.90", "EUR"),
        ("25usdt", "25", "USDT"),
        ("1,250.00", "1250.00", ""),
        ("1.250,00", "1250.00", ""),
        ("1 250.000073", "1250.000073", ""),
        ("1\u202f250", "1250", ""),
        ("1,250,000", "1250000", ""),
        ("1.2.3", None, ""),
        ("EUR 5 USD", None, ""),
        ("five", None, ""),
    ],
)
def test_an_amount_is_read_as_people_write_it(text: str, amount: str | None, unit: str) -> None:
    found = read(text)
    assert (found.amount, found.unit) == (amount, unit)


def test_a_transaction_is_a_range_with_and_without_its_mark() -> None:
    digits = "ab" * 32
    assert read(digits.upper()).is_txid
    assert read(digits).txid_ranges() == [(digits, digits), (f"0x{digits}", f"0x{digits}")]
    assert read("0xABcd").txid_ranges() == [("0xabcd" + "0" * 60, "0xabcd" + "f" * 60)]
    assert read("0xab").txid_ranges() == []
    assert read("xyz12").txid_ranges() == []


def test_email_addresses_are_whole_or_nothing() -> None:
    assert read(" Mara@Example.com ").email == "mara@example.com"
    assert read("mara@").email is None
    assert not read("mara@example.com").has_part


def test_what_was_copied_with_its_middle_cut_has_two_ends() -> None:
    found = read("0x12AB…cd34")
    assert (found.head, found.tail) == ("0x12ab", "cd34")
    assert (read("inv-7q...2k").head, read("a…b").head) == ("inv-7q", "")


def test_the_beginning_of_an_events_id_is_a_range() -> None:
    first, last = read("3f2504e0-4f89").event_ids or (None, None)
    assert str(first) == "3f2504e0-4f89-0000-0000-000000000000"
    assert str(last) == "3f2504e0-4f89-ffff-ffff-ffffffffffff"
    assert read("3f25").event_ids is None


def test_a_search_is_stored_with_an_export_and_read_again() -> None:
    for text in ("3f2504e0-4f89", "49.90 ETH", "0x12…cd34", "mara@example.com"):
        search = Search(
            text=read(text), addresses=["0xab"], amounts=[("ethereum:test ETH", "4" * 30)], email_hash=b"\x00\xff"
        )
        stored = msgspec.json.encode(msgspec.to_builtins(search))
        assert msgspec.convert(msgspec.json.decode(stored), type=Search) == search
