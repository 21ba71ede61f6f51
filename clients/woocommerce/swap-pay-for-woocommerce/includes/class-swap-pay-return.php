<?php
/**
 * The customer who comes back from the payment page: `?wc-api=swap_pay_return`.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Customers are often faster than events. So the gateway is asked before anything is said, and an order that is not paid
 * yet is never called failed: customers have paid twice elsewhere because of that.
 */
final class Swap_Pay_Return {

	/**
	 * Seconds between two questions to the gateway for one order: its key has a limit for all customers together.
	 */
	const PAUSE_S = 5;

	const WAIT_S = 5;

	/**
	 * The address that the payment page leads back to.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public static function url( WC_Order $order ) {
		return add_query_arg(
			array(
				'order' => $order->get_id(),
				'key'   => $order->get_order_key(),
			),
			WC()->api_request_url( 'swap_pay_return' )
		);
	}

	/**
	 * Ask the gateway, then lead on: to the order where it is paid or may be, else to where it can be paid.
	 */
	public static function handle() {
		$order = self::order_of_request();
		if ( null === $order ) {
			wp_safe_redirect( wc_get_page_permalink( 'shop' ) );
			exit;
		}
		wp_safe_redirect( self::destination( $order ) );
		exit;
	}

	/**
	 * Where the customer goes on.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public static function destination( WC_Order $order ) {
		$status = self::refreshed( $order );
		$order  = wc_get_order( $order->get_id() );
		if ( $order->is_paid() || ! in_array( $status, array( 'expired', 'cancelled' ), true ) ) {
			return $order->get_checkout_order_received_url();
		}
		wc_add_notice( __( 'The time for this payment has run out, and nothing was paid. You can try again.', 'swap-pay-for-woocommerce' ), 'notice' );
		return $order->needs_payment() ? $order->get_checkout_payment_url() : wc_get_checkout_url();
	}

	/**
	 * Ask the gateway before the page of a received order is shown.
	 */
	public static function before_order_received() {
		if ( ! function_exists( 'is_order_received_page' ) || ! is_order_received_page() ) {
			return;
		}
		$order = wc_get_order( absint( get_query_var( 'order-received' ) ) );
		// phpcs:ignore WordPress.Security.NonceVerification -- a link without a form: the order's key is the proof.
		$key = isset( $_GET['key'] ) ? sanitize_text_field( wp_unslash( $_GET['key'] ) ) : '';
		if ( $order instanceof WC_Order && $order->key_is_valid( $key ) && self::is_unsettled( $order ) ) {
			self::refreshed( $order );
		}
	}

	/**
	 * What the page of a received order says first.
	 *
	 * @param string        $text  WooCommerce's sentence.
	 * @param WC_Order|bool $order The order, if there is one.
	 * @return string
	 */
	public static function received_text( $text, $order ) {
		if ( ! $order instanceof WC_Order || ! self::is_unsettled( $order ) ) {
			return $text;
		}
		$sentence = self::sentence( $order );
		return '' === $sentence ? $text : esc_html( $sentence );
	}

	/**
	 * A link below, to look again. The page does not load itself anew: shops count their sales on it.
	 *
	 * @param int $order_id The order.
	 */
	public static function after_received( $order_id ) {
		$order = wc_get_order( $order_id );
		if ( ! $order instanceof WC_Order || ! self::is_unsettled( $order ) || '' === self::sentence( $order ) ) {
			return;
		}
		printf(
			'<p><a class="button" href="%1$s">%2$s</a></p>',
			esc_url( self::url( $order ) ),
			esc_html__( 'Check again', 'swap-pay-for-woocommerce' )
		);
	}

	/**
	 * What a customer is told of an order that is not paid yet.
	 *
	 * @param WC_Order $order The order.
	 * @return string Empty where there is nothing to say.
	 */
	private static function sentence( WC_Order $order ) {
		$current = (string) $order->get_meta( Swap_Pay_Orders::CURRENT );
		$seen    = Swap_Pay_Orders::seen( $order );
		$status  = isset( $seen[ $current ] ) ? $seen[ $current ]['status'] : '';
		switch ( $status ) {
			case 'confirming':
				return __( 'Thank you. We see your payment, and wait until the network has confirmed it. You need do nothing more: we send you an email.', 'swap-pay-for-woocommerce' );
			case 'manual_review':
				return __( 'Thank you. Your payment has arrived, but it is not quite what was asked for. We are looking into it. Please do not pay again.', 'swap-pay-for-woocommerce' );
			case 'awaiting_choice':
			case 'awaiting_deposit':
				return __( 'Thank you. We are checking whether your payment has arrived. If you have paid, please do not pay again: we send you an email.', 'swap-pay-for-woocommerce' );
		}
		return '';
	}

	/**
	 * Whether an order is ours and not paid yet.
	 *
	 * @param WC_Order $order The order.
	 * @return bool
	 */
	private static function is_unsettled( WC_Order $order ) {
		return Swap_Pay_Settings::METHOD === $order->get_payment_method() && ! $order->is_paid();
	}

	/**
	 * Ask the gateway, unless that was just done.
	 *
	 * @param WC_Order $order The order.
	 * @return string The status of its newest invoice, as far as it is known.
	 */
	private static function refreshed( WC_Order $order ) {
		$current = (string) $order->get_meta( Swap_Pay_Orders::CURRENT );
		$seen    = Swap_Pay_Orders::seen( $order );
		$known   = isset( $seen[ $current ] ) ? $seen[ $current ]['status'] : '';
		if ( '' === $current || (int) $order->get_meta( Swap_Pay_Orders::ASKED_AT ) > time() - self::PAUSE_S ) {
			return $known;
		}
		$order->update_meta_data( Swap_Pay_Orders::ASKED_AT, time() );
		$order->save_meta_data();
		try {
			return Swap_Pay_Invoices::ask_for( $order->get_id(), self::WAIT_S, Swap_Pay_Api::of_settings() );
		} catch ( Swap_Pay_Refusal $busy ) {
			return $known;
		} catch ( Swap_Pay_Api_Error $error ) {
			return $known;
		}
	}

	/**
	 * The order that the request names, if it has the order's key.
	 *
	 * @return WC_Order|null
	 */
	private static function order_of_request() {
		// phpcs:disable WordPress.Security.NonceVerification -- the link of another site leads here: the key is the proof.
		$order = wc_get_order( isset( $_GET['order'] ) ? absint( wp_unslash( $_GET['order'] ) ) : 0 );
		$key   = isset( $_GET['key'] ) ? sanitize_text_field( wp_unslash( $_GET['key'] ) ) : '';
		// phpcs:enable
		return $order instanceof WC_Order && '' !== $key && $order->key_is_valid( $key ) ? $order : null;
	}
}
