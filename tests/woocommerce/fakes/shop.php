<?php
/**
 * One request to a shop that has the plug-in: `?wc-api=…` as WooCommerce routes it, and `?fake=…` for what a customer or
 * the shop's people do on pages that only WooCommerce has. SHOP_DATABASE and SHOP_URL are set by serve.mjs.
 */

define( 'SHOP_DATABASE', $_SERVER['SHOP_DATABASE'] );
define( 'SHOP_URL', $_SERVER['SHOP_URL'] );
require __DIR__ . '/wordpress.php';
require __DIR__ . '/woocommerce.php';
require $_SERVER['PLUGIN'] . '/swap-pay-for-woocommerce.php';

do_action( 'before_woocommerce_init' );
do_action( 'plugins_loaded' );

require __DIR__ . '/requests.php';
fake_answer();
