<?php
/**
 * The box “Swap Pay” on an order's page in the shop's administration.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Shows the order's invoices, takes a refund address, and asks the gateway on demand.
 */
final class Swap_Pay_Order_Box {

	const NONCE = 'swap_pay_order_box';

	/**
	 * Add the box, where orders are posts and where they have tables of their own.
	 */
	public static function add() {
		$screen = function_exists( 'wc_get_page_screen_id' ) ? wc_get_page_screen_id( 'shop-order' ) : 'shop_order';
		foreach ( array_unique( array( $screen, 'shop_order' ) ) as $each ) {
			add_meta_box( 'swap_pay', __( 'Swap Pay', 'swap-pay-for-woocommerce' ), array( __CLASS__, 'show' ), $each, 'side' );
		}
	}

	/**
	 * Show the box.
	 *
	 * @param WP_Post|WC_Order $shown The order, or its post.
	 */
	public static function show( $shown ) {
		$order = $shown instanceof WC_Order ? $shown : wc_get_order( $shown->ID );
		if ( ! $order instanceof WC_Order || ! Swap_Pay_Orders::seen( $order ) ) {
			echo '<p>' . esc_html__( 'This order has no invoice of Swap Pay.', 'swap-pay-for-woocommerce' ) . '</p>';
			return;
		}
		if ( Swap_Pay_Settings::is_test() ) {
			echo '<p><strong>' . esc_html__( 'Test mode: this is no real money.', 'swap-pay-for-woocommerce' ) . '</strong></p>';
		}
		foreach ( array_reverse( Swap_Pay_Orders::seen( $order ) ) as $id => $each ) {
			printf(
				'<p><a href="%1$s" target="_blank" rel="noopener noreferrer">%2$s</a><br>%3$s%4$s</p>',
				esc_url( self::link( $id ) ),
				esc_html( $id ),
				esc_html( Swap_Pay_Words::status( $each['status'] ) ),
				'' === $each['amount'] ? '' : '<br>' . esc_html( $each['amount'] )
			);
			foreach ( $each['txids'] as $txid ) {
				printf( '<p><code style="word-break:break-all">%s</code></p>', esc_html( $txid ) );
			}
		}
		printf(
			'<p><a class="button" href="%1$s">%2$s</a></p>',
			esc_url( wp_nonce_url( admin_url( 'admin-post.php?action=swap_pay_ask&order=' . $order->get_id() ), 'swap_pay_ask_' . $order->get_id() ) ),
			esc_html__( 'Ask the gateway now', 'swap-pay-for-woocommerce' )
		);
		if ( '' !== (string) $order->get_meta( Swap_Pay_Orders::CREDITED ) ) {
			self::show_refund_address( $order );
		}
	}

	/**
	 * The field for a refund address that the customer has told by other means.
	 *
	 * @param WC_Order $order The order.
	 */
	private static function show_refund_address( WC_Order $order ) {
		$given = Swap_Pay_Refund_Address::given( $order );
		wp_nonce_field( self::NONCE, 'swap_pay_nonce' );
		printf(
			'<p><label for="swap_pay_refund_address">%1$s</label><input type="text" id="swap_pay_refund_address" name="swap_pay_refund_address" value="%2$s" maxlength="100" style="width:100%%" autocomplete="off" spellcheck="false"></p><p class="description">%3$s</p>',
			esc_html__( 'Refund address', 'swap-pay-for-woocommerce' ),
			esc_attr( null === $given ? '' : $given['address'] ),
			null !== $given && 'customer' === $given['by']
				? esc_html__( 'Given by the customer.', 'swap-pay-for-woocommerce' )
				: esc_html__( 'If it is empty, the first refund asks the customer by email.', 'swap-pay-for-woocommerce' )
		);
	}

	/**
	 * Keep the refund address when the order is saved.
	 *
	 * @param int $order_id The order.
	 */
	public static function save( $order_id ) {
		$nonce = isset( $_POST['swap_pay_nonce'] ) ? sanitize_text_field( wp_unslash( $_POST['swap_pay_nonce'] ) ) : '';
		if ( ! isset( $_POST['swap_pay_refund_address'] ) || ! wp_verify_nonce( $nonce, self::NONCE ) || ! current_user_can( 'edit_shop_orders' ) ) {
			return;
		}
		$typed = sanitize_text_field( wp_unslash( $_POST['swap_pay_refund_address'] ) );
		try {
			Swap_Pay_Orders::locked(
				$order_id,
				5,
				static function ( WC_Order $order ) use ( $typed ) {
					$given = Swap_Pay_Refund_Address::given( $order );
					if ( '' === $typed ) {
						null === $given || Swap_Pay_Refund_Address::forget( $order );
					} elseif ( null === $given || $given['address'] !== $typed ) {
						Swap_Pay_Refund_Address::give( $order, (string) $order->get_meta( Swap_Pay_Orders::CREDITED ), $typed, 'shop' );
					}
				}
			);
		} catch ( Swap_Pay_Refusal $refusal ) {
			WC_Admin_Meta_Boxes::add_error( esc_html( $refusal->getMessage() ) );
		}
	}

	/**
	 * Ask the gateway about an order, and go back to it.
	 */
	public static function ask() {
		$order_id = isset( $_GET['order'] ) ? absint( wp_unslash( $_GET['order'] ) ) : 0;
		check_admin_referer( 'swap_pay_ask_' . $order_id );
		if ( ! current_user_can( 'edit_shop_orders' ) ) {
			wp_die( esc_html__( 'You may not do this.', 'swap-pay-for-woocommerce' ), '', array( 'response' => 403 ) );
		}
		try {
			Swap_Pay_Invoices::ask_for( $order_id, 5, Swap_Pay_Api::of_settings() );
		} catch ( Swap_Pay_Refusal $refusal ) {
			WC_Admin_Meta_Boxes::add_error( esc_html( $refusal->getMessage() ) );
		} catch ( Swap_Pay_Api_Error $error ) {
			WC_Admin_Meta_Boxes::add_error( esc_html( Swap_Pay_Plugin::explain( $error ) ) );
		}
		$order = wc_get_order( $order_id );
		wp_safe_redirect( $order instanceof WC_Order ? $order->get_edit_order_url() : admin_url() );
		exit;
	}

	/**
	 * An invoice's page in the cabinet.
	 *
	 * @param string $id The invoice.
	 * @return string
	 */
	public static function link( $id ) {
		$cabinet  = Swap_Pay_Settings::get( 'gateway_url' ) . '/cabinet';
		$merchant = get_option( 'swap_pay_merchant', '' );
		if ( '' === $merchant ) {
			return $cabinet; // Events tell which merchant it is; before the first one, the cabinet asks.
		}
		return $cabinet . '/' . rawurlencode( $merchant ) . '/' . ( Swap_Pay_Settings::is_test() ? 'test' : 'live' ) . '/invoices/' . rawurlencode( $id );
	}
}
