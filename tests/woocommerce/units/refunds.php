<?php
/** Refunds: asked for an address first, sent once, never more than was paid. */

const ADDRESS = '0x71C7656EC7ab88b098defB751B7401B5f6d8976F';

/** A paid order, its invoice's id, and the gateway. */
function paid_order() {
	$gateway                       = shop();
	list( $order, $invoice )       = ordered();
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
	delivered( 'invoice.paid', $invoice );
	return array( $gateway, wc_get_order( $order->get_id() ), $invoice );
}

function refund( $order, $amount, $reason = 'A shirt came back' ) {
	$result = ( new Swap_Pay_Gateway() )->process_refund( $order->get_id(), $amount, $reason );
	return is_wp_error( $result ) ? $result->get_error_message() : $result;
}

/** The order's address, as the customer gives it on the page that the email links. */
function given( $order, $address = ADDRESS ) {
	list( $order_id, $token ) = link_of( $order );
	return Swap_Pay_Refund_Address::page( $order_id, $token, true, $address, wp_create_nonce( 'swap_pay_refund_address_' . $order_id ) );
}

function link_of( $order ) {
	$notes = fake_lines( 'customer note', $order->get_id() );
	parse_str( parse_url( strrchr( end( $notes ), ' ' ), PHP_URL_QUERY ), $query );
	return array( (int) $query['order'], $query['token'] );
}

function test_the_customer_is_asked_for_an_address_before_anything_is_sent() {
	list( $gateway, $order ) = paid_order();
	holds( false !== strpos( refund( $order, '10.00' ), 'the customer was asked' ), 'the first press' );
	same( 0, $gateway->count( 'POST /invoices/INV-0000000001/refunds' ) );
	$notes = fake_lines( 'customer note', $order->get_id() );
	holds( 1 === count( $notes ) && false !== strpos( $notes[0], 'USDT on ethereum' ), 'an email' );
	holds( false !== strpos( refund( $order, '10.00' ), 'within the last hour' ), 'the second press' );
	same( 1, count( fake_lines( 'customer note', $order->get_id() ) ) );

	list( $order_id, $token ) = link_of( $order );
	foreach ( array( '', 'x', strrev( $token ) ) as $other ) {
		same( 404, Swap_Pay_Refund_Address::page( $order_id, $other, true, ADDRESS, '' )[0] );
	}
	same( 404, Swap_Pay_Refund_Address::page( 999, $token, false, '', '' )[0] );
	list( $status, $page ) = Swap_Pay_Refund_Address::page( $order_id, $token, false, '', '' );
	holds( 200 === $status && false !== strpos( $page, '<form method="post"' ) && false !== strpos( $page, 'USDT on ethereum' ), 'the form' );
	same( 422, Swap_Pay_Refund_Address::page( $order_id, $token, true, ADDRESS, 'no nonce' )[0] );
	foreach ( array( '', 'short', str_repeat( 'x', 101 ), 'my address is 0x71C7656EC7ab88b098', "0x71C7656EC7ab88b098defB751B7401B5f6d8976F\n\n0x1", '<script>alert(1)</script>0000000' ) as $typed ) {
		list( $status, $page ) = given( $order, $typed );
		same( 422, $status );
		holds( false === strpos( $page, '<script' ), 'escaped' );
	}
	same( 200, given( $order )[0] );
	holds( false !== strpos( implode( fake_lines( 'note', $order->get_id() ) ), ADDRESS ), 'the shop is told' );

	same( true, refund( $order, '10.00' ) );
	$asked = end( $gateway->asked );
	same( 'POST /invoices/INV-0000000001/refunds', $asked['request'] );
	same( array( '10.869593', ADDRESS, 'A shirt came back' ), array( $asked['body']['amount'], $asked['body']['refund_address'], $asked['body']['customer_visible_reason'] ) );
}

function test_refunds_are_in_proportion_and_never_more_than_is_left() {
	list( $gateway, $order, $invoice ) = paid_order();
	refund( $order, '1.00' );
	given( $order );
	same( true, refund( $order, '24.95' ) ); // Half of the price is half of the coins, service fee included.
	same( '27.119636', $gateway->refunds['RF-0000000001']['amount_decimal'] );
	same( true, refund( $order, '24.95' ) ); // The rest: the service fee is not given back.
	same( '26.685737', $gateway->refunds['RF-0000000002']['amount_decimal'] );
	same( '53805373', Swap_Pay_Amounts::add( $gateway->refunds['RF-0000000001']['amount_raw'], $gateway->refunds['RF-0000000002']['amount_raw'] ) );
	holds( false !== strpos( refund( $order, '1.00' ), 'Nothing is left' ), 'nothing left' );
	$gateway->refunds['RF-0000000002']['status'] = 'rejected';
	same( true, refund( $order, '1.00' ) ); // What was rejected is there again.
	foreach ( array( '0', '0.00', '50.00', '-1', 'x' ) as $amount ) {
		holds( false !== strpos( refund( $order, $amount ), 'more than nothing' ), $amount );
	}
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'refunded' );
	holds( false !== strpos( refund( $order, '1.00' ), 'holds no money' ), 'refunded in full' );
}

function test_each_refund_has_a_key_of_its_own_and_a_repeated_press_the_same() {
	list( $gateway, $order ) = paid_order();
	refund( $order, null );
	given( $order );
	$keys = static function () use ( $gateway ) {
		$found = array();
		foreach ( $gateway->asked as $each ) {
			if ( 'POST /invoices/INV-0000000001/refunds' === $each['request'] ) {
				$found[] = $each['args']['headers']['Idempotency-Key'];
			}
		}
		return $found;
	};
	$gateway->next = array_fill( 0, 3, array( 'POST /invoices/INV-0000000001/refunds', new WP_Error( 'http_request_failed', 'cut off' ) ) );
	holds( false !== strpos( refund( $order, '10.00' ), 'does not answer' ), 'no answer' );
	same( true, refund( $order, '10.00' ) );
	same( 1, count( array_unique( $keys() ) ) );
	same( true, refund( $order, '10.00' ) ); // Another refund of the same amount.
	same( 2, count( array_unique( $keys() ) ) );
	same( 2, count( $gateway->refunds ) );
	foreach ( $keys() as $key ) {
		holds( 1 === preg_match( '/^wc-refund-[0-9a-f]{20}-\d+-[12]$/', $key ), $key );
	}
}

function test_a_refund_whose_answer_was_lost_is_found_again() {
	list( $gateway, $order ) = paid_order();
	refund( $order, null );
	given( $order );
	same( true, refund( $order, '10.00' ) );
	$forget = static function () use ( $order ) {
		$order = wc_get_order( $order->get_id() );
		$order->delete_meta_data( Swap_Pay_Refunds::TAKEN ); // As if the process had died before it kept the answer.
		$order->save();
	};
	$forget();
	same( true, refund( $order, '10.00' ) );
	same( 1, count( $gateway->refunds ) );
	$forget();
	holds( false !== strpos( refund( $order, '11.00' ), 'had already taken another refund' ), 'of another amount' );
	same( 1, count( $gateway->refunds ) );
	same( true, refund( $order, '11.00' ) );
	same( 2, count( $gateway->refunds ) );
}

function test_an_address_that_the_gateway_refuses_is_asked_for_again() {
	list( $gateway, $order ) = paid_order();
	refund( $order, null );
	$old = link_of( $order );
	given( $order );
	$gateway->next = array( array( 'POST /invoices/INV-0000000001/refunds', refused( 400, 'INVALID_DESTINATION' ) ) );
	holds( false !== strpos( refund( $order, '10.00' ), 'refuses the refund address' ), 'refused' );
	same( 404, Swap_Pay_Refund_Address::page( $old[0], $old[1], false, '', '' )[0] );
	holds( false !== strpos( refund( $order, '10.00' ), 'the customer was asked' ), 'asked again' );
	same( 200, given( $order )[0] );
	same( true, refund( $order, '10.00' ) );
}

function test_a_refunds_states_are_noted_once_each_in_whatever_order_events_come() {
	list( $gateway, $order ) = paid_order();
	refund( $order, null );
	given( $order );
	refund( $order, '10.00' );
	$gateway->refunds['RF-0000000001'] = array( 'status' => 'confirmed', 'txid' => '0xbeef' ) + $gateway->refunds['RF-0000000001'];
	foreach ( array( 'refund.confirmed', 'refund.submitted', 'refund.confirmed', 'refund.pending_approval' ) as $type ) {
		same( 200, delivered( $type, 'RF-0000000001' )[0] );
	}
	$arrived = preg_grep( '/RF-0000000001 of \S+ USDT has arrived.*0xbeef/', fake_lines( 'note', $order->get_id() ) );
	same( 1, count( $arrived ) );
	$gateway->refunds['RF-0000000001'] = array( 'status' => 'rejected', 'status_reason' => 'wrong person' ) + $gateway->refunds['RF-0000000001'];
	delivered( 'refund.rejected', 'RF-0000000001' );
	same( 1, count( preg_grep( '/was not sent.*wrong person/', fake_lines( 'note', $order->get_id() ) ) ) );
}

function test_the_shop_can_enter_the_address_itself() {
	list( $gateway, $order ) = paid_order();
	ob_start();
	Swap_Pay_Order_Box::show( $order );
	$box = ob_get_clean();
	holds( false !== strpos( $box, 'https://pay.example/cabinet/MCH-0123456789/test/invoices/INV-0000000001' ), $box );
	holds( false !== strpos( $box, '0xfeed' ) && false !== strpos( $box, 'Paid' ), $box );
	$_POST = array( 'swap_pay_refund_address' => ADDRESS, 'swap_pay_nonce' => 'forged' );
	do_action( 'woocommerce_process_shop_order_meta', $order->get_id() );
	same( null, Swap_Pay_Refund_Address::given( wc_get_order( $order->get_id() ) ) );
	$_POST['swap_pay_nonce'] = wp_create_nonce( Swap_Pay_Order_Box::NONCE );
	$GLOBALS['fake_can']     = false;
	do_action( 'woocommerce_process_shop_order_meta', $order->get_id() );
	same( null, Swap_Pay_Refund_Address::given( wc_get_order( $order->get_id() ) ) );
	$GLOBALS['fake_can'] = true;
	do_action( 'woocommerce_process_shop_order_meta', $order->get_id() );
	same( ADDRESS, Swap_Pay_Refund_Address::given( wc_get_order( $order->get_id() ) )['address'] );
	same( true, refund( $order, '10.00' ) );
	same( 1, count( $gateway->refunds ) );
	$_POST = array( 'swap_pay_refund_address' => 'nonsense', 'swap_pay_nonce' => wp_create_nonce( Swap_Pay_Order_Box::NONCE ) );
	do_action( 'woocommerce_process_shop_order_meta', $order->get_id() );
	same( 1, count( WC_Admin_Meta_Boxes::$errors ) );
	$_POST = array();
}
