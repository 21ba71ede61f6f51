<?php
/**
 * Plugin Name:          Swap Pay for WooCommerce
 * Description:          Take crypto payments through your own Swap Pay gateway: prices in your shop's currency, the customer chooses the coin.
 * Version:              1.0.0
 * Requires at least:    6.2
 * Requires PHP:         7.4
 * Requires Plugins:     woocommerce
 * Author:               Swap Pay
 * License:              GPL-2.0-or-later
 * License URI:          https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain:          swap-pay-for-woocommerce
 * Domain Path:          /languages
 * WC requires at least: 7.1
 *
 * This program is free software; you can redistribute it and/or modify it under the terms of the GNU General Public
 * License as published by the Free Software Foundation; either version 2 of the License, or (at your option) any later
 * version. It comes without any warranty; see the License for details.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

define( 'SWAP_PAY_VERSION', '1.0.0' );
define( 'SWAP_PAY_FILE', __FILE__ );

require_once __DIR__ . '/includes/class-swap-pay-amounts.php';
require_once __DIR__ . '/includes/class-swap-pay-signature.php';
require_once __DIR__ . '/includes/class-swap-pay-decision.php';
require_once __DIR__ . '/includes/class-swap-pay-words.php';
require_once __DIR__ . '/includes/class-swap-pay-log.php';
require_once __DIR__ . '/includes/class-swap-pay-settings.php';
require_once __DIR__ . '/includes/class-swap-pay-api-error.php';
require_once __DIR__ . '/includes/class-swap-pay-refusal.php';
require_once __DIR__ . '/includes/class-swap-pay-api.php';
require_once __DIR__ . '/includes/class-swap-pay-key-check.php';
require_once __DIR__ . '/includes/class-swap-pay-lock.php';
require_once __DIR__ . '/includes/class-swap-pay-orders.php';
require_once __DIR__ . '/includes/class-swap-pay-invoices.php';
require_once __DIR__ . '/includes/class-swap-pay-webhook.php';
require_once __DIR__ . '/includes/class-swap-pay-return.php';
require_once __DIR__ . '/includes/class-swap-pay-refunds.php';
require_once __DIR__ . '/includes/class-swap-pay-refund-address.php';
require_once __DIR__ . '/includes/class-swap-pay-order-box.php';
require_once __DIR__ . '/includes/class-swap-pay-plugin.php';

add_action( 'before_woocommerce_init', array( 'Swap_Pay_Plugin', 'declare_compatibility' ) );
add_action( 'plugins_loaded', array( 'Swap_Pay_Plugin', 'start' ) );
register_deactivation_hook( __FILE__, array( 'Swap_Pay_Plugin', 'deactivate' ) );
