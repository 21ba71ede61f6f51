<?php
/**
 * What a shop answers: `?wc-api=…` as WooCommerce routes it, and `?fake=…` for what a customer or the shop's people do on
 * pages that only WooCommerce has.
 */

/** What a test is told of an order. */
function fake_order( WC_Order $order ) {
	return array(
		'id'             => $order->get_id(),
		'key'            => $order->get_order_key(),
		'status'         => $order->get_status(),
		'transaction_id' => $order->get_transaction_id(),
		'notes'          => fake_lines( 'note', $order->get_id() ),
		'customer_notes' => fake_lines( 'customer note', $order->get_id() ),
	);
}

/** Answer the request. */
function fake_answer() {
	try {
		if ( isset( $_GET['wc-api'] ) ) {
			do_action( 'woocommerce_api_' . strtolower( $_GET['wc-api'] ) );
			return;
		}
		$gateway = new Swap_Pay_Gateway();
		$order   = isset( $_GET['order'] ) ? wc_get_order( $_GET['order'] ) : null;
		switch ( $_GET['fake'] ) {
			case 'settings':
				$gateway->process_admin_options();
				$told = WC_Admin_Settings::$shown;
				break;
			case 'create':
				$told = fake_order( WC_Order::fake_create( json_decode( file_get_contents( 'php://input' ), true ) ) );
				break;
			case 'pay':
				$told = $gateway->process_payment( $order->get_id() ) + array( 'notices' => fake_lines( 'notice error' ) );
				break;
			case 'received':
				$GLOBALS['fake_query']['order-received'] = $order->get_id();
				do_action( 'template_redirect' );
				$told = apply_filters( 'woocommerce_thankyou_order_received_text', 'Thank you.', wc_get_order( $order->get_id() ) );
				break;
			case 'refund':
				$result = $gateway->process_refund( $order->get_id(), $_GET['amount'], 'A shirt came back' );
				$told   = is_wp_error( $result ) ? $result->get_error_message() : $result;
				break;
			case 'form':
				$told = $gateway->generate_settings_html();
				break;
			case 'box':
				ob_start();
				Swap_Pay_Order_Box::show( $order );
				$told = ob_get_clean();
				break;
			case 'log':
				$told = fake_lines( 'log' );
				break;
			default:
				$told = fake_order( $order );
		}
		header( 'Content-Type: application/json' );
		echo json_encode( $told );
	} catch ( Fake_Exit $exit ) { // The answer is complete.
		return;
	}
}
