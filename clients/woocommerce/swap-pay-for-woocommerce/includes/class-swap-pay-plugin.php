<?php
/**
 * Where the plug-in joins WordPress and WooCommerce.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * All hooks, in one place.
 */
final class Swap_Pay_Plugin {

	/**
	 * Asks the gateway about orders whose event has not come.
	 */
	const CRON = 'swap_pay_ask_again';

	/**
	 * Orders that are asked about each time: the key has a limit.
	 */
	const ASKED_AT_ONCE = 20;

	/**
	 * Start, once all plug-ins are there.
	 */
	public static function start() {
		load_plugin_textdomain( 'swap-pay-for-woocommerce', false, dirname( plugin_basename( SWAP_PAY_FILE ) ) . '/languages' );
		if ( ! class_exists( 'WC_Payment_Gateway' ) ) {
			add_action( 'admin_notices', array( __CLASS__, 'tell_woocommerce_is_missing' ) );
			return;
		}
		require_once __DIR__ . '/class-swap-pay-gateway.php';

		add_filter( 'woocommerce_payment_gateways', array( __CLASS__, 'add_gateway' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( SWAP_PAY_FILE ), array( __CLASS__, 'add_settings_link' ) );
		add_action( 'woocommerce_blocks_payment_method_type_registration', array( __CLASS__, 'add_to_blocks' ) );

		add_action( 'woocommerce_api_swap_pay', array( 'Swap_Pay_Webhook', 'handle' ) );
		add_action( 'woocommerce_api_swap_pay_return', array( 'Swap_Pay_Return', 'handle' ) );
		add_action( 'woocommerce_api_swap_pay_refund_address', array( 'Swap_Pay_Refund_Address', 'handle' ) );

		add_action( 'template_redirect', array( 'Swap_Pay_Return', 'before_order_received' ) );
		add_filter( 'woocommerce_thankyou_order_received_text', array( 'Swap_Pay_Return', 'received_text' ), 10, 2 );
		add_action( 'woocommerce_thankyou_' . Swap_Pay_Settings::METHOD, array( 'Swap_Pay_Return', 'after_received' ) );

		add_filter( 'woocommerce_cancel_unpaid_order', array( __CLASS__, 'may_cancel_unpaid' ), 10, 2 );
		foreach ( array( 'cancelled', 'processing', 'completed' ) as $status ) {
			add_action( 'woocommerce_order_status_' . $status, array( 'Swap_Pay_Invoices', 'end_open' ) );
		}

		add_action( 'add_meta_boxes', array( 'Swap_Pay_Order_Box', 'add' ) );
		add_action( 'woocommerce_process_shop_order_meta', array( 'Swap_Pay_Order_Box', 'save' ), 60 );
		add_action( 'admin_post_swap_pay_ask', array( 'Swap_Pay_Order_Box', 'ask' ) );

		add_action( self::CRON, array( __CLASS__, 'ask_again' ) );
		if ( ! wp_next_scheduled( self::CRON ) ) {
			wp_schedule_event( time() + HOUR_IN_SECONDS, 'hourly', self::CRON );
		}
	}

	/**
	 * Stop what runs by the clock.
	 */
	public static function deactivate() {
		wp_clear_scheduled_hook( self::CRON );
	}

	/**
	 * Tell WooCommerce that orders in tables of their own, and the checkout block, are fine.
	 */
	public static function declare_compatibility() {
		if ( class_exists( '\Automattic\WooCommerce\Utilities\FeaturesUtil' ) ) {
			\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( 'custom_order_tables', SWAP_PAY_FILE, true );
			\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( 'cart_checkout_blocks', SWAP_PAY_FILE, true );
		}
	}

	/**
	 * Say that nothing works without WooCommerce.
	 */
	public static function tell_woocommerce_is_missing() {
		echo '<div class="notice notice-error"><p>' . esc_html__( 'Swap Pay for WooCommerce needs WooCommerce: install and activate it.', 'swap-pay-for-woocommerce' ) . '</p></div>';
	}

	/**
	 * Add the payment method.
	 *
	 * @param array $gateways WooCommerce's payment methods.
	 * @return array
	 */
	public static function add_gateway( $gateways ) {
		$gateways[] = 'Swap_Pay_Gateway';
		return $gateways;
	}

	/**
	 * Add a link to the settings in the list of plug-ins.
	 *
	 * @param string[] $links HTML.
	 * @return string[]
	 */
	public static function add_settings_link( $links ) {
		$url = admin_url( 'admin.php?page=wc-settings&tab=checkout&section=' . Swap_Pay_Settings::METHOD );
		array_unshift( $links, '<a href="' . esc_url( $url ) . '">' . esc_html__( 'Settings', 'swap-pay-for-woocommerce' ) . '</a>' );
		return $links;
	}

	/**
	 * Add the payment method to the checkout block.
	 *
	 * @param object $registry WooCommerce's registry of payment methods.
	 */
	public static function add_to_blocks( $registry ) {
		require_once __DIR__ . '/class-swap-pay-blocks.php';
		$registry->register( new Swap_Pay_Blocks() );
	}

	/**
	 * Whether WooCommerce may cancel an order since its time to hold stock is over. Not while it may still be paid, or is
	 * being paid: the gateway knows.
	 *
	 * @param bool     $may   What WooCommerce would do.
	 * @param WC_Order $order The order.
	 * @return bool
	 */
	public static function may_cancel_unpaid( $may, $order ) {
		if ( ! $may || Swap_Pay_Settings::METHOD !== $order->get_payment_method() || '' === (string) $order->get_meta( Swap_Pay_Orders::CURRENT ) ) {
			return $may;
		}
		try {
			$status = Swap_Pay_Invoices::ask_for( $order->get_id(), 1, Swap_Pay_Api::of_settings() );
		} catch ( Swap_Pay_Refusal $busy ) {
			return false;
		} catch ( Swap_Pay_Api_Error $error ) {
			return 'INVOICE_NOT_FOUND' === $error->code_name;
		}
		return in_array( $status, array( 'expired', 'cancelled' ), true );
	}

	/**
	 * Ask the gateway about orders that still wait: an event may have been lost while the shop was down for days.
	 */
	public static function ask_again() {
		if ( ! Swap_Pay_Settings::are_complete() ) {
			return;
		}
		$waiting = wc_get_orders(
			array(
				'payment_method' => Swap_Pay_Settings::METHOD,
				'status'         => array( 'pending', 'on-hold' ),
				'limit'          => self::ASKED_AT_ONCE,
				'orderby'        => 'modified',
				'order'          => 'ASC',
				'return'         => 'ids',
			)
		);
		foreach ( $waiting as $order_id ) {
			try {
				Swap_Pay_Invoices::ask_for( $order_id, 1, Swap_Pay_Api::of_settings() );
			} catch ( Swap_Pay_Refusal $busy ) {
				continue;
			} catch ( Swap_Pay_Api_Error $error ) {
				if ( $error->may_pass() ) {
					return; // The next time.
				}
			}
		}
	}

	/**
	 * What is wrong, in words for the shop's people, with what to do about it.
	 *
	 * @param Swap_Pay_Api_Error $error The error.
	 * @return string
	 */
	public static function explain( Swap_Pay_Api_Error $error ) {
		switch ( $error->code_name ) {
			case 'NO_ANSWER':
				return __( 'The gateway does not answer at this address. Check the address, and whether this server may reach it.', 'swap-pay-for-woocommerce' );
			case 'NO_API':
				return __( 'At this address something else answers than Swap Pay. Check the gateway address.', 'swap-pay-for-woocommerce' );
			case 'MISSING_API_KEY':
			case 'INVALID_API_KEY':
			case 'API_KEY_REVOKED':
			case 'API_KEY_EXPIRED':
				return __( 'The gateway refuses the secret key. Copy it again, or make a new one in the cabinet. After five wrong tries a key is locked for an hour.', 'swap-pay-for-woocommerce' );
			case 'API_KEY_LOCKED':
				return __( 'The key is locked for up to an hour, since a wrong secret was sent five times.', 'swap-pay-for-woocommerce' );
			case 'IP_NOT_ALLOWED':
				return __( 'The key may not be used from this server. Add its IP address to the key\'s list in the cabinet.', 'swap-pay-for-woocommerce' );
			case 'MERCHANT_NOT_APPROVED':
				return __( 'Live mode is not open yet: the gateway\'s operator has to approve you. Use a test key until then.', 'swap-pay-for-woocommerce' );
			case 'INSUFFICIENT_BALANCE':
				return __( 'Your balance at the gateway is smaller than this refund. Wait for other payments, or ask the gateway\'s operator.', 'swap-pay-for-woocommerce' );
		}
		/* translators: %s: what the gateway says, in English. */
		return sprintf( __( 'The gateway says: %s', 'swap-pay-for-woocommerce' ), $error->getMessage() );
	}
}
