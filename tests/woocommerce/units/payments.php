<?php
/** One invoice for each order, whatever happens between the button and the answer. */

function pay( $order ) {
	$result = ( new Swap_Pay_Gateway() )->process_payment( $order->get_id() );
	return 'success' === $result['result'] ? $result['redirect'] : 'failure';
}

function test_what_is_asked_of_the_gateway() {
	$gateway      = shop();
	list( $order ) = ordered( array( 'total' => '1200.00' ) );
	$asked        = end( $gateway->asked );
	same( 'POST /invoices', $asked['request'] );
	$body = $asked['body'];
	same( array( '1200', 'EUR', 'shop.example/' . $order->get_id(), 'Order ' . $order->get_id(), 60 ), array( $body['amount'], $body['currency'], $body['order_id'], $body['description'], $body['expires_in'] ) );
	same( $body['success_url'], $body['fail_url'] );
	same( Swap_Pay_Return::url( $order ), $body['success_url'] );
	holds( false === strpos( json_encode( $body['metadata'] ), $order->get_order_key() ), 'the key of the order stays here' );
	$args = $asked['args'];
	same( array( 'Bearer ' . KEY, 10, 0 ), array( $args['headers']['Authorization'], $args['timeout'], $args['redirection'] ) );
	holds( 1 === preg_match( '/^wc-[0-9a-f]{20}-\d+-1$/', $args['headers']['Idempotency-Key'] ), 'the idempotency key' );
}

function test_pressing_twice_or_coming_back_leads_to_one_invoice() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	same( "https://pay.example/pay/$invoice.c2VhbA", pay( $order ) );
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'confirming' );
	same( "https://pay.example/pay/$invoice.c2VhbA", pay( $order ) );
	same( 1, $gateway->count( 'POST /invoices' ) );
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
	same( $order->get_checkout_order_received_url(), pay( $order ) ); // Paid: nothing to pay.
	same( 'processing', wc_get_order( $order->get_id() )->get_status() );
	same( 1, count( $gateway->invoices ) );
}

function test_a_lost_answer_makes_no_second_invoice() {
	$cut = static function ( $gateway ) {
		$args = end( $gateway->asked )['args'];
		$gateway->answer( false, $args, 'https://pay.example/api/v1/merchant/invoices' ); // It arrives, and is done.
		return new WP_Error( 'http_request_failed', 'cut off' );
	};
	$gateway       = shop();
	$order         = WC_Order::fake_create( array() );
	$gateway->next = array( array( 'POST /invoices', $cut ) );
	$page          = pay( $order ); // Sent again by itself, with the same key.
	same( 1, count( $gateway->invoices ) );
	same( 'https://pay.example/pay/INV-0000000001.c2VhbA', $page );

	// The process dies before it can keep the answer; a day later the key is forgotten, but not the order id.
	wc_get_order( $order->get_id() )->fake_set( 'meta', array( Swap_Pay_Orders::ATTEMPT => 7 ) );
	same( $page, pay( $order ) );
	same( 1, count( $gateway->invoices ) );

	// It dies, and the order costs something else by then: the old invoice is ended, a new one made.
	wc_get_order( $order->get_id() )->fake_set( 'meta', array( Swap_Pay_Orders::ATTEMPT => 1 ) )->fake_set( 'total', '50.00' );
	same( 'https://pay.example/pay/INV-0000000002.c2VhbA', pay( $order ) );
	same( array( 'cancelled', 'awaiting_choice' ), array_column( $gateway->invoices, 'status' ) );
}

function test_a_repeated_answer_is_read_anew() {
	$gateway = shop();
	$order   = WC_Order::fake_create( array() );
	pay( $order );
	wc_get_order( $order->get_id() )->fake_set( 'meta', array( Swap_Pay_Orders::ATTEMPT => 1 ) ); // The answer was not kept,
	$gateway->invoices['INV-0000000001']['status'] = 'expired'; // and the invoice has ended since.
	same( 'https://pay.example/pay/INV-0000000002.c2VhbA', pay( $order ) );
}

function test_an_order_that_costs_something_else_gets_a_new_invoice_unless_money_is_on_its_way() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	wc_get_order( $order->get_id() )->fake_set( 'total', '60.00' );
	holds( false === strpos( pay( $order ), $invoice ), 'a new invoice' );
	same( 'cancelled', $gateway->invoices[ $invoice ]['status'] );
	$second = wc_get_order( $order->get_id() )->get_meta( Swap_Pay_Orders::CURRENT );
	$gateway->invoices[ $second ] = in_status( $gateway->invoices[ $second ], 'confirming' );
	wc_get_order( $order->get_id() )->fake_set( 'total', '70.00' );
	same( 'failure', pay( $order ) );
	holds( false !== strpos( implode( fake_lines( 'notice error' ) ), 'already on its way' ), 'the customer is told' );
}

function test_an_invoice_of_another_shop_under_the_same_order_id_is_never_paid() {
	$gateway = shop();
	$order   = WC_Order::fake_create( array() );
	$gateway->invoices['INV-0000000001'] = invoice( 'INV-0000000001', array( 'order_id' => 'shop.example/' . $order->get_id(), 'metadata' => array( 'order' => 'x' ) ) );
	same( 'failure', pay( $order ) );
	same( 'awaiting_choice', $gateway->invoices['INV-0000000001']['status'] );
}

function test_customers_are_not_led_to_a_page_that_is_not_https() {
	$gateway       = shop();
	$order         = WC_Order::fake_create( array() );
	$gateway->next = array( array( 'POST /invoices', said( 201, array( 'payment_url' => 'http://evil.example/pay' ) + invoice( 'INV-0000000001', array( 'amount' => '49.9' ) ) ) ) );
	same( 'failure', pay( $order ) );
}

function test_waiting_as_the_gateway_says_but_not_for_long() {
	$gateway       = shop();
	$order         = WC_Order::fake_create( array() );
	$gateway->next = array(
		array( 'POST /invoices', refused( 429, 'RATE_LIMITED', array(), array( 'retry-after' => '1' ) ) ),
		array( 'POST /invoices', refused( 409, 'IDEMPOTENCY_IN_PROGRESS', array(), array( 'retry-after' => '1' ) ) ),
	);
	$before = microtime( true );
	holds( 'failure' !== pay( $order ), 'the third try' );
	holds( microtime( true ) - $before >= 2, 'it waits' );
	same( 3, $gateway->count( 'POST /invoices' ) );

	$order         = WC_Order::fake_create( array() );
	$gateway->next = array( array( 'POST /invoices', refused( 503, 'POOL_EXHAUSTED', array(), array( 'retry-after' => '60' ) ) ) );
	same( 'failure', pay( $order ) );
	same( 4, $gateway->count( 'POST /invoices' ) );
	holds( false !== strpos( implode( fake_lines( 'notice error' ) ), 'try again in a moment' ), 'the customer is told' );
	$gateway->next = array( array( 'POST /invoices', refused( 400, 'AMOUNT_TOO_SMALL' ) ) );
	same( 'failure', pay( $order ) );
	same( 5, $gateway->count( 'POST /invoices' ) );
	holds( false !== strpos( implode( fake_lines( 'notice error' ) ), 'choose another payment method' ), 'the customer is told' );
	same( 'pending', wc_get_order( $order->get_id() )->get_status() );
}

function test_the_customer_who_comes_back_is_told_what_is_known_and_never_that_it_failed() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	$received                = static function () use ( $order ) {
		$GLOBALS['fake_query']['order-received'] = $order->get_id();
		$_GET = array( 'key' => $order->get_order_key() );
		do_action( 'template_redirect' );
		return apply_filters( 'woocommerce_thankyou_order_received_text', 'WooCommerce says thanks.', wc_get_order( $order->get_id() ) );
	};
	holds( false !== strpos( $received(), 'We are checking' ), 'awaiting' );
	$asked = count( $gateway->asked );
	$received();
	same( $asked, count( $gateway->asked ) ); // Loading the page anew does not use the key up.

	foreach ( array( 'confirming' => 'wait until the network has confirmed', 'manual_review' => 'Please do not pay again', 'paid' => 'WooCommerce says thanks.' ) as $status => $words ) {
		$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], $status );
		some_time_passes( $order );
		holds( false !== strpos( $received(), $words ), $status );
	}
	same( 'processing', wc_get_order( $order->get_id() )->get_status() );

	list( $order, $invoice ) = ordered();
	$gateway->next           = array( array( "GET /invoices/$invoice", refused( 503, 'UNAVAILABLE', array(), array( 'retry-after' => '60' ) ) ) );
	same( $order->get_checkout_order_received_url(), Swap_Pay_Return::destination( wc_get_order( $order->get_id() ) ) );
	same( 'pending', wc_get_order( $order->get_id() )->get_status() ); // The gateway is silent: nothing is known.
	some_time_passes( $order );
	$gateway->invoices[ $invoice ]['status'] = 'expired';
	same( 'https://shop.example/checkout/', Swap_Pay_Return::destination( wc_get_order( $order->get_id() ) ) );
	same( 'cancelled', wc_get_order( $order->get_id() )->get_status() );
	$GLOBALS['fake_query'] = array();
}

/** The gateway may be asked again. */
function some_time_passes( $order ) {
	$order = wc_get_order( $order->get_id() );
	$order->update_meta_data( Swap_Pay_Orders::ASKED_AT, time() - Swap_Pay_Return::PAUSE_S );
	$order->save();
}

function test_only_who_has_the_orders_key_comes_back_to_it() {
	shop();
	list( $order ) = ordered();
	foreach ( array( array(), array( 'order' => (string) $order->get_id() ), array( 'order' => (string) $order->get_id(), 'key' => 'wc_order_x' ) ) as $_GET ) {
		same( 'https://shop.example/shop/', led_to( array( 'Swap_Pay_Return', 'handle' ) ) );
	}
	$_GET = array( 'order' => (string) $order->get_id(), 'key' => $order->get_order_key() );
	same( $order->get_checkout_order_received_url(), led_to( array( 'Swap_Pay_Return', 'handle' ) ) );
	$_GET = array();
}

/** Where a request was led to. */
function led_to( callable $work ) {
	try {
		$work();
	} catch ( Fake_Exit $exit ) {
		return $exit->getMessage();
	}
	throw new Exception( 'the request goes on' );
}
