"""The WooCommerce plug-in (clients/woocommerce): by itself, against a running gateway, and on a real WordPress."""
