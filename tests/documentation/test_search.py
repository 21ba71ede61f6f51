"""The search over the pages: what is found, in which order, and what is shown of it."""

import pytest

from app.documentation.library import Library
from app.documentation.markdown import page_of
from app.documentation.search import Index, words_of

REFUNDS = "# Refunds\n\nSend money back.\n\n## Cancel\n\nA refund can be cancelled early."
ERRORS = "# Errors\n\nWhat went wrong with a refund.\n\n| c | d |\n|---|---|\n| `REFUND_TOO_LARGE` | ask for less |\n"
WEBHOOKS = "# Webhooks\n\nThe <secret> & the signature of an event. Refunds have events."


@pytest.fixture(scope="module")
def index() -> Index:
    titles = {"refunds": "Refunds", "errors": "Errors", "webhooks": "Webhooks"}
    pages = [
        page_of("refunds", REFUNDS, titles),
        page_of("errors", ERRORS, titles),
        page_of("webhooks", WEBHOOKS, titles),
    ]
    return Index(pages, dict.fromkeys(titles, "Guides"))


def addresses(index: Index, query: str) -> list[str]:
    return [hit.address for hit in index.search(query).hits]


def test_titles_come_before_headings_and_headings_before_text(index: Index) -> None:
    assert addresses(index, "refund")[0] == "/docs/refunds"
    assert addresses(index, "refunds") == addresses(index, "REFUND"), "one and many, small and capital letters"
    assert addresses(index, "cancel")[0] == "/docs/refunds#cancel"
    assert "/docs/webhooks" in addresses(index, "refund")


def test_all_words_must_be_there_unless_no_passage_has_all(index: Index) -> None:
    assert addresses(index, "signature refund") == ["/docs/webhooks"]
    assert set(addresses(index, "signature cancel")) == {"/docs/webhooks", "/docs/refunds#cancel"}
    assert addresses(index, "how do I cancel")[0] == "/docs/refunds#cancel"
    assert addresses(index, "xyzzy") == []
    assert addresses(index, "") == []
    assert addresses(index, "%00 \N{PILE OF POO} ' <") == []


def test_a_code_leads_to_its_row_and_the_beginning_of_a_word_is_enough(index: Index) -> None:
    assert addresses(index, "REFUND_TOO_LARGE")[0] == "/docs/errors#REFUND_TOO_LARGE"
    assert addresses(index, "sig") == ["/docs/webhooks"]
    assert words_of("order_id, Events") == ["order_id", "order", "id", "event"]


def test_a_typing_error_is_forgiven_and_told(index: Index) -> None:
    found = index.search("webhok")
    assert found.instead == {"webhok": "webhook"}
    assert [hit.address for hit in found.hits] == ["/docs/webhooks"]


def test_the_words_are_marked_in_escaped_text(index: Index) -> None:
    (hit,) = index.search("signature").hits
    assert str(hit.snippet).startswith("The &lt;secret&gt; &amp; the <mark>signature</mark> of an event.")


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("quickstart", "quickstart"),
        ("webhook signature", "webhooks"),
        ("DUPLICATE_ORDER_ID", "errors"),
        ("refund a customer", "refunds"),
        ("payout cancel", "payouts"),
        ("going live", "going-live"),
        ("confirmations", "networks"),
        ("DATABASE_URL", "configuration"),
        ("restore backup", "backups"),
        ("idempotncy", "idempotency"),
    ],
)
def test_what_people_look_for_is_among_the_first(library: Library, query: str, slug: str) -> None:
    assert slug in [hit.slug for hit in library.index.search(query).hits[:3]]


@pytest.fixture(scope="module")
def library() -> Library:
    """The documentation of this version."""
    return Library()
