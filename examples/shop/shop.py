"""Saltmarsh, a small shop that takes its money through Swap Pay: a cart, a checkout, a webhook, an order page.

    pip install swap-pay litestar granian jinja2
    SWAP_PAY_URL=… SWAP_PAY_KEY=… SWAP_PAY_WEBHOOK_SECRET=… python shop.py

The three rules that keep a shop from losing money or taking it twice:

1. **An order has one invoice.** Its number goes along as `order_id`, so the gateway refuses a second one, and says
   which invoice the order has. A double press, a reload and a customer who comes back all end at the same payment page.
2. **What is true is asked.** A webhook says that something has changed; what is true now, `client.invoices.get` says.
   So webhooks may come twice, late or out of order, and do no harm.
3. **The customer may be faster than the webhook.** Whoever comes back sees what the gateway says at that moment, and
   "we are checking" as long as it says nothing final. Never "failed": that makes people pay again.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, Request, Response, get, post
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import Body
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig
from orders import CATALOGUE, Cart, Order, Orders, euros, stage_of
from swap_pay import AsyncSwapPay, errors, webhooks

HERE = Path(__file__).parent
GATEWAY = os.environ["SWAP_PAY_URL"]
WEBHOOK_SECRET = os.environ["SWAP_PAY_WEBHOOK_SECRET"]
PORT = int(os.environ.get("SHOP_PORT", "8010"))
SHOP_URL = os.environ.get("SHOP_URL", f"http://127.0.0.1:{PORT}")
DATA = Path(os.environ.get("SHOP_DATA", HERE))

CART_COOKIE = "cart"
FORM = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]
HEADERS = {
    # The form of the checkout is answered with a way to the gateway, so that must be named too.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    f"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {GATEWAY}",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

client = AsyncSwapPay()  # of SWAP_PAY_URL and SWAP_PAY_KEY
orders = Orders(DATA / "orders.sqlite3")


@get("/", sync_to_thread=False)
def shelf(request: Request[Any, Any, Any]) -> Template:
    """What there is to buy."""
    return page("shelf.html", cart=cart_of(request), catalogue=CATALOGUE)


@post("/cart", sync_to_thread=False)
def change_cart(request: Request[Any, Any, Any], data: FORM) -> Response[Any]:
    """Put something into the cart (`add`), or set how many there are of it (`set` and `count`)."""
    cart = cart_of(request)
    if (article := data.get("add", "")) in CATALOGUE:
        cart = cart.with_count(article, cart.counts.get(article, 0) + 1)
    elif (
        (article := data.get("set", "")) in CATALOGUE and (count := data.get("count", "")).isascii() and count.isdigit()
    ):
        cart = cart.with_count(article, int(count[:3]))
    # The numbers of orders that exist are not used again: a changed cart is another order.
    if orders.find(cart.order_id) is not None:
        cart = cart.renumbered(new_order_id())
    cookie = Cookie(CART_COOKIE, value=cart.text(), httponly=True, samesite="lax")
    return Redirect("/cart", status_code=303, cookies=[cookie])


@get("/cart", sync_to_thread=False)
def show_cart(request: Request[Any, Any, Any]) -> Template:
    """The cart, with the button to the payment."""
    return page("cart.html", cart=cart_of(request))


@post("/checkout")
async def check_out(request: Request[Any, Any, Any]) -> Redirect:
    """Make an order of the cart, and send the customer to its payment page. A second press does the same again."""
    cart = cart_of(request)
    if not cart.counts:
        return Redirect("/cart", status_code=303)
    order = orders.find_or_add(cart)
    return await to_payment(order)


@post("/orders/{order_id:str}/pay")
async def pay_again(order_id: str) -> Redirect:
    """Send the customer to the order's payment page: the one that there is, or a new one after that has expired."""
    return await to_payment(known(order_id))


@get("/orders/{order_id:str}")
async def show_order(request: Request[Any, Any, Any], order_id: str) -> Response[Any]:
    """Where an order is. While that is not final, the gateway is asked: the webhook may still be on its way."""
    order = known(order_id)
    if not stage_of(order).is_final:
        try:
            order = await look(order)
        except errors.SwapPayError as error:
            request.logger.warning("The gateway does not answer, so the order page shows what is known: %s", error)
    cart = cart_of(request)
    if is_new := cart.order_id == order_id:  # it is an order now: the next one begins with an empty cart
        cart = Cart(new_order_id(), {})
    answer = page("order.html", order=order, stage=stage_of(order), cart=cart)
    if is_new:
        answer.delete_cookie(CART_COOKIE)
    return answer


@post("/webhooks/swap-pay")
async def receive(request: Request[Any, Any, Any]) -> Response[str]:
    """An event of the gateway. Answered at once; what it means is asked of the gateway."""
    try:
        event = webhooks.construct_event(await request.body(), request.headers, WEBHOOK_SECRET)
    except webhooks.WebhookError as error:
        request.logger.warning("A webhook was refused: %s", error)
        return Response(str(error), status_code=400, media_type="text/plain")
    order = orders.find(event.invoice.order_id) if event.invoice is not None else None
    if order is not None:  # else it is of another shop of the merchant
        await look(order)  # raises if the gateway is away: the webhook comes again then
    return Response("", status_code=200, media_type="text/plain")


async def to_payment(order: Order) -> Redirect:
    """Redirect to the payment page of the order's one invoice, which is created if there is none that can be paid."""
    try:
        if order.invoice is not None and not stage_of(order).can_be_paid_anew:
            return Redirect(order.invoice.payment_url, status_code=303)
        try:
            invoice = await client.invoices.create(
                amount=order.total,
                currency="EUR",
                order_id=order.id,
                description=f"Saltmarsh, order {order.id}",
                success_url=f"{SHOP_URL}/orders/{order.id}",
                fail_url=f"{SHOP_URL}/orders/{order.id}",
            )
        except errors.DuplicateOrderId as there_is_one:
            invoice = await client.invoices.get(there_is_one.invoice_id)
    except errors.SwapPayError as error:
        print(f"The payment of order {order.id} can’t be started: {error}", flush=True)
        sorry = "The payment can’t be started at the moment, and nothing was taken. Please try again in a minute."
        raise HTTPException(status_code=503, detail=sorry) from error
    orders.keep(order.id, invoice)
    return Redirect(invoice.payment_url, status_code=303)


async def look(order: Order) -> Order:
    """Ask the gateway what has become of an order's invoice, and keep it. Raises SwapPayError."""
    invoice = order.invoice and await client.invoices.get(order.invoice.id)
    if invoice is None:
        # The answer to the creation was lost, or its webhook is faster than it.
        invoice = await client.invoices.list(order_id=order.id).first()
    if invoice is None:
        return order
    if orders.keep(order.id, invoice):
        print(f"Order {order.id} is paid: pack it.", flush=True)
    return known(order.id)


def known(order_id: str) -> Order:
    """An order by its number. Raises NotFoundException."""
    if (order := orders.find(order_id)) is None:
        raise NotFoundException("There is no such order.")
    return order


def cart_of(request: Request[Any, Any, Any]) -> Cart:
    """The visitor's cart, which is in a cookie."""
    return Cart.read(request.cookies.get(CART_COOKIE, "")) or Cart(new_order_id(), {})


def new_order_id() -> str:
    """Who knows it can open the order's page, so it can't be guessed."""
    return "".join(secrets.choice("23456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(12))


def page(name: str, **context: Any) -> Template:
    return Template(name, context={"euros": euros, **context})


def show_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """An error in the shop's own words and looks."""
    return Template("problem.html", context={"problem": error.detail}, status_code=error.status_code, headers=HEADERS)


@asynccontextmanager
async def lifespan(_: Litestar) -> AsyncIterator[None]:
    async with client:
        yield


app = Litestar(
    route_handlers=[
        *(shelf, change_cart, show_cart, check_out, pay_again, show_order, receive),
        create_static_files_router(path="/static", directories=[HERE / "static"]),
    ],
    template_config=TemplateConfig(directory=HERE / "templates", engine=JinjaTemplateEngine),
    exception_handlers={HTTPException: show_problem},
    response_headers=HEADERS,
    lifespan=[lifespan],
    openapi_config=None,
)


async def serve() -> None:
    """Serve until SIGINT or SIGTERM."""
    server = Server(app, address="127.0.0.1", port=PORT, interface=Interfaces.ASGI)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    await server.serve()


if __name__ == "__main__":
    asyncio.run(serve())
