"""What the shop sells, carts, and the orders in a file of SQLite."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from swap_pay.models import Invoice, InvoiceStatus

MAX_COUNT = 20


class Article(NamedTuple):
    """Something to buy, with its price in cents."""

    name: str
    about: str
    cents: int


CATALOGUE: Mapping[str, Article] = {
    "pot": Article("Enamel pot", "Two litres, for soup or for one big bunch of dahlias.", 44_00),
    "mug": Article("Stoneware mug", "Thrown by hand, so no two are quite alike.", 18_50),
    "candle": Article("Beeswax candle", "Burns for thirty hours and smells of August.", 12_00),
    "board": Article("Oak board", "For bread, for cheese, for good.", 36_00),
    "apron": Article("Linen apron", "Heavy washed linen with one deep pocket.", 39_90),
    "book": Article("Recipe notebook", "Blank, ruled, and ready for butter stains.", 9_80),
}


@dataclass(frozen=True)
class Cart:
    """How many of each article, and the number that its order will have."""

    order_id: str
    counts: Mapping[str, int]

    @classmethod
    def read(cls, text: str) -> "Cart | None":
        """A cart from its cookie, such as `K7QP…:mug-2.pot-1`; None where it is none."""
        order_id, _, rest = text.partition(":")
        counts: dict[str, int] = {}
        for part in filter(None, rest.split(".")):
            article, _, count = part.partition("-")
            if article not in CATALOGUE or not (count.isascii() and count.isdigit()) or not 0 < int(count) <= MAX_COUNT:
                return None
            counts[article] = int(count)
        return cls(order_id, counts) if len(order_id) == 12 and order_id.isalnum() and order_id.isascii() else None

    def text(self) -> str:
        """For the cookie."""
        return f"{self.order_id}:" + ".".join(f"{article}-{count}" for article, count in self.counts.items())

    def with_count(self, article: str, count: int) -> "Cart":
        """With so many of an article; 0 takes it out."""
        counts = {**self.counts, article: min(count, MAX_COUNT)}
        return Cart(self.order_id, {name: number for name, number in counts.items() if number > 0})

    def renumbered(self, order_id: str) -> "Cart":
        """The same things for another order."""
        return Cart(order_id, self.counts)

    @property
    def lines(self) -> list[tuple[str, Article, int]]:
        """Each article with its count."""
        return [(name, CATALOGUE[name], count) for name, count in self.counts.items()]

    @property
    def size(self) -> int:
        """How many things there are in it."""
        return sum(self.counts.values())

    @property
    def cents(self) -> int:
        """What it costs."""
        return sum(article.cents * count for _, article, count in self.lines)


@dataclass(frozen=True)
class Order:
    """An order: what was in the cart, and the invoice as the gateway last showed it."""

    id: str
    cart: Cart
    invoice: Invoice | None
    paid_at: str | None

    @property
    def total(self) -> Decimal:
        """What it costs, in euros."""
        return Decimal(self.cart.cents) / 100


class Orders:
    """The orders. Each method is one statement, so two requests at once can't come between."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, cart TEXT NOT NULL, invoice TEXT, paid_at TEXT)"
        )

    def find(self, order_id: str | None) -> Order | None:
        """An order by its number."""
        row = self._database.execute(
            "SELECT id, cart, invoice, paid_at FROM orders WHERE id = ?", (order_id,)
        ).fetchone()
        if row is None or (cart := Cart.read(row[1])) is None:
            return None
        return Order(row[0], cart, None if row[2] is None else Invoice.from_dict(json.loads(row[2])), row[3])

    def find_or_add(self, cart: Cart) -> Order:
        """The order of a cart: the one that there is, or a new one."""
        self._database.execute("INSERT OR IGNORE INTO orders (id, cart) VALUES (?, ?)", (cart.order_id, cart.text()))
        order = self.find(cart.order_id)
        assert order is not None
        return order

    def keep(self, order_id: str, invoice: Invoice) -> bool:
        """Keep what the gateway says of an order's invoice. Returns whether it is paid for the first time: pack it."""
        self._database.execute("UPDATE orders SET invoice = ? WHERE id = ?", (json.dumps(invoice.to_dict()), order_id))
        if invoice.status != InvoiceStatus.PAID or invoice.paid_at is None:
            return False
        first = self._database.execute(
            "UPDATE orders SET paid_at = ? WHERE id = ? AND paid_at IS NULL", (invoice.paid_at.isoformat(), order_id)
        )
        return first.rowcount == 1


class Stage(NamedTuple):
    """An order in plain words. While it is not final, its page asks again by itself."""

    mood: str
    title: str
    words: str
    is_final: bool = False
    can_be_paid: bool = False
    can_be_paid_anew: bool = False


def stage_of(order: Order) -> Stage:
    """Where an order is, by what the gateway last said of its invoice."""
    invoice = order.invoice
    if invoice is None:
        return Stage("waiting", "Not paid yet", "Your order is ready to be paid.", can_be_paid=True)
    status = str(invoice.status)
    if status in ("awaiting_choice", "awaiting_deposit"):
        return Stage(
            "waiting",
            "We are checking",
            "Your payment has not reached us yet. If you have just sent it, there is nothing to do: this page looks by "
            "itself. Please don’t pay a second time.",
            can_be_paid=True,
        )
    if status == "confirming":
        seen = max((deposit.confirmations for deposit in invoice.deposits), default=0)
        wanted = f" {seen} of {invoice.pay_in.confirmations_required} are there." if invoice.pay_in else ""
        return Stage("waiting", "We are checking", f"Your payment has arrived and waits for its confirmations.{wanted}")
    if status == "paid":
        return Stage("good", "Paid. Thank you!", "We are packing your order.", is_final=True)
    if status == "manual_review":
        return _in_review(invoice)
    if status in ("refunded", "partially_refunded"):
        part = "all" if status == "refunded" else "a part"
        return Stage("calm", "Refunded", f"We have sent {part} of your payment back to you.", is_final=True)
    if status in ("expired", "cancelled"):
        why = "The time to pay is up" if status == "expired" else "The payment was cancelled"
        return Stage(
            "calm",
            why,
            "No payment has reached us. If you would still like these things, start the payment again.",
            can_be_paid_anew=True,
        )
    if status == "closed":
        return Stage("calm", "Closed", "This order was closed without a payment. Write to us if that surprises you.")
    # A state that this shop does not know: a newer gateway has added it.
    return Stage("waiting", "We are checking", "We are looking into your payment.")


_REVIEWS = {
    "underpaid": ("Too little has arrived", "Your payment is less than the order costs."),
    "overpaid": ("Too much has arrived", "Your payment is more than the order costs."),
    "late": ("Your payment came late", "It arrived after the time to pay was up."),
    "second": ("Paid twice", "A second payment has arrived for this order."),
    "wrong_asset": ("Another currency has arrived", "Your payment is in another currency than was agreed."),
}


def _in_review(invoice: Invoice) -> Stage:
    title, words = _REVIEWS.get(invoice.review.cause if invoice.review else "", ("We are checking", "It needs a look."))
    came = next((f" {one.amount_decimal} {one.asset} came" for one in reversed(invoice.deposits)), "")
    asked = f", {invoice.pay_in.amount_decimal} {invoice.pay_in.asset} were asked for." if invoice.pay_in else "."
    return Stage(
        "care",
        title,
        f"{words}{came + asked if came else ''} Nothing is lost: somebody is looking at it, and either takes it as it "
        "is or sends it back to you.",
    )


def euros(cents: int) -> str:
    """For people: `€ 18.50`."""
    return f"€\u202f{cents // 100}.{cents % 100:02}"
