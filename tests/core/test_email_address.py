"""An accepted email address is exactly one mailbox, in one canonical form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.email_address import MAX_LENGTH, EmailAddress, as_kept

NOT_ONE_MAILBOX = [
    "x0<victim@shop.example>",
    "victim@shop.example(0)",
    '"victim"@shop.example',
    '"a b"@shop.example',
    "a,b@shop.example",
    "a:b@shop.example;",
    "a@b@shop.example",
    "a@shop.example,b@shop.example",
    "a\r\nBcc: b@shop.example",
    "a\0@shop.example",
    ".a@shop.example",
    "a..b@shop.example",
    "ü@shop.example",
    "a@[192.0.2.1]",
    "a@192.0.2.1",
    "a@localhost",
    "a@shop_1.example",
    "a@-shop.example",
    "a@shop.example.",
    f"{'a' * 65}@shop.example",
    f"a@{'b' * 64}.example",
    f"a@{'.'.join(['b' * 60] * 5)}.example",
    "a@",
    "@shop.example",
    "",
]


@pytest.mark.parametrize("text", NOT_ONE_MAILBOX)
def test_what_is_not_exactly_one_mailbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an email address"):
        EmailAddress.parse(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" Mara@Example.Test ", "mara@example.test"),
        ("a@Exämple.de", "a@xn--exmple-cua.de"),
        ("a@xn--exmple-cua.de", "a@xn--exmple-cua.de"),
        ("a@shop。example", "a@shop.example"),
        ("ops@mail.corp.internal", "ops@mail.corp.internal"),
        (f"{'a' * 64}@shop.example", f"{'a' * 64}@shop.example"),
    ],
)
def test_one_mailbox_is_stored_in_one_form(text: str, kept: str) -> None:
    assert str(EmailAddress.parse(text)) == as_kept(text) == kept


@given(st.one_of(st.emails(), st.text(max_size=300)))
def test_a_stored_address_is_read_unchanged(text: str) -> None:
    try:
        address = EmailAddress.parse(text)
    except ValueError:
        return
    kept = str(address)
    assert EmailAddress.parse(kept) == address
    assert kept.isascii()
    assert kept == kept.lower()
    assert kept.count("@") == 1
    assert len(kept) <= MAX_LENGTH
    assert not set(kept) & set(' ,:;<>()[]"\\')
