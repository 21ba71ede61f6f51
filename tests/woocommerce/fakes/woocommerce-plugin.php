<?php
/**
 * Plugin Name: WooCommerce (a double)
 *
 * The double of WooCommerce as a plug-in of a real WordPress: it answers before WordPress looks for a page, as
 * WooCommerce does with `wc-api`.
 */

define( 'SHOP_URL', home_url() );

require __DIR__ . '/woocommerce-classes.php';
require __DIR__ . '/requests.php';

$GLOBALS['wpdb']->query( 'CREATE TABLE IF NOT EXISTS orders (id BIGINT NOT NULL, data LONGTEXT, PRIMARY KEY (id))' );
$GLOBALS['wpdb']->query( 'CREATE TABLE IF NOT EXISTS order_lines (id BIGINT NOT NULL AUTO_INCREMENT, kind VARCHAR(40), owner BIGINT, words LONGTEXT, PRIMARY KEY (id))' );

add_action( 'plugins_loaded', static function () {
	do_action( 'before_woocommerce_init' );
}, 1 );
add_action( 'parse_request', static function () {
	if ( isset( $_GET['wc-api'] ) || isset( $_GET['fake'] ) ) {
		fake_answer();
		exit;
	}
} );

/** Ends a request in the double of WordPress only; a real one exits. */
class Fake_Exit extends Error {
}
