"""The plug-in against the real API, its real events, and a real payment on the chain."""

from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.woocommerce.journeys import Gateway, every_journey
from tests.woocommerce.shop import Shop


async def test_orders_from_the_button_to_the_refund(
    shop: Shop, gateway: Gateway, services: Services, driver: AnvilDriver, token: str
) -> None:
    await every_journey(shop, gateway, services, driver, token)
