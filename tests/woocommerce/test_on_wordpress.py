"""The packed plug-in on a real WordPress: activated, translated, deleted, and on every journey with a real gateway.

In `make soak` alone: WordPress is a large download, and each of its starts takes seconds in WebAssembly. By itself:
`make tests/woocommerce/wordpress/node_modules/.stamp`, then `SOAK=1 make test T=tests/woocommerce`.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.tls import Certificates
from app.wiring import Services
from tests.woocommerce.journeys import Gateway, every_journey
from tests.woocommerce.php import OLDEST
from tests.woocommerce.shop import Shop, client, serving
from tests.woocommerce.wordpress import WordPress

PLUGIN = "swap-pay-for-woocommerce/swap-pay-for-woocommerce.php"


LEFT = (
    "get_option( 'woocommerce_swap_pay_settings' )",
    "get_option( 'swap_pay_merchant' )",
    "wp_next_scheduled( 'swap_pay_ask_again' )",
)
"""What deleting the plug-in removes."""


@pytest.fixture
def wordpress(tmp_path: Path) -> WordPress:
    """A new WordPress with the plug-in and a double of WooCommerce, both active."""
    site = WordPress(tmp_path)
    site.install_plugin()
    refused = site.run(f"echo activate_plugin( '{PLUGIN}' )->get_error_message();")
    assert "requires 1 plugin to be installed and activated: woocommerce" in refused
    site.install_woocommerce()
    active = f"var_dump( activate_plugin( 'woocommerce/woocommerce.php' ), activate_plugin( '{PLUGIN}' ) );"
    assert site.run(active).split() == ["NULL", "NULL"]
    return site


@pytest.fixture
async def shop(wordpress: WordPress, tmp_path: Path, certificates: Certificates) -> AsyncIterator[Shop]:
    """The shop that the gateway of these tests delivers to."""
    with serving(OLDEST, wordpress.folder / "index.php", tmp_path, certificates) as url:
        async with client(certificates) as browser:
            yield Shop(url, browser)


if os.environ.get("SOAK"):

    @pytest.mark.timeout(3_600)
    async def test_the_packed_plugin_on_a_real_wordpress(
        wordpress: WordPress,
        shop: Shop,
        gateway: Gateway,
        services: Services,
        driver: AnvilDriver,
        token: str,
    ) -> None:
        await every_journey(shop, gateway, services, driver, token)

        forged = await shop.send(shop.webhook_url, {"type": "invoice.paid"})
        assert (forged.status_code, forged.headers["Content-Type"]) == (401, "text/plain; charset=utf-8")
        read = await shop.open(shop.webhook_url)
        assert (read.status_code, read.headers["Allow"]) == (405, "POST")

        wordpress.speak("de_DE")
        form = await shop.settings_form()
        assert "Geheimer Schlüssel" in form
        assert gateway.key not in form
        assert gateway.webhook_secret not in form
        described = wordpress.run(f"echo get_plugin_data( WP_PLUGIN_DIR . '/{PLUGIN}' )['Description'];")
        assert "Krypto-Zahlungen" in described

        assert wordpress.run("echo (int) ( wp_next_scheduled( 'swap_pay_ask_again' ) > time() );") == "1"
        wordpress.run(f"deactivate_plugins( '{PLUGIN}' ); uninstall_plugin( '{PLUGIN}' );")
        assert wordpress.run(f"echo json_encode( array( {', '.join(LEFT)} ) );") == "[false,false,false]"
        assert wordpress.complaints() == []
