<?php
/** Events: in any order, twice, late, forged. What the gateway says when it is asked decides. */

/** All orders of some events. */
function permutations( array $items ) {
	if ( count( $items ) < 2 ) {
		return array( $items );
	}
	$all = array();
	foreach ( $items as $number => $item ) {
		$rest = $items;
		unset( $rest[ $number ] );
		foreach ( permutations( array_values( $rest ) ) as $each ) {
			$all[] = array_merge( array( $item ), $each );
		}
	}
	return $all;
}

function test_an_order_is_paid_once_in_whatever_order_events_come() {
	foreach ( permutations( array( 'invoice.created', 'invoice.confirming', 'invoice.paid', 'invoice.paid' ) ) as $types ) {
		$gateway                  = shop();
		list( $order, $invoice )  = ordered();
		$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
		$GLOBALS['fake_done']     = array();
		foreach ( $types as $type ) {
			same( 200, delivered( $type, $invoice )[0] );
		}
		$order = wc_get_order( $order->get_id() );
		same( 'processing', $order->get_status() );
		same( $invoice, $order->get_transaction_id() );
		same( 1, count( array_keys( $GLOBALS['fake_done'], 'woocommerce_payment_complete', true ) ) );
		$paid = preg_grep( '/^Paid with Swap Pay/', fake_lines( 'note', $order->get_id() ) );
		same( 1, count( $paid ) );
		holds( false !== strpos( reset( $paid ), '0xfeed' ), 'the note names the transaction' );
	}
}

function test_an_order_follows_its_invoice_step_by_step_and_each_step_is_noted_once() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	$steps                   = array(
		'awaiting_deposit'   => 'pending',
		'confirming'         => 'on-hold',
		'manual_review'      => 'on-hold',
		'paid'               => 'processing',
		'partially_refunded' => 'processing',
		'refunded'           => 'processing',
	);
	foreach ( $steps as $status => $of_order ) {
		$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], $status );
		foreach ( array( 1, 2, 3 ) as $time ) {
			same( 200, delivered( "invoice.$status", $invoice )[0] );
		}
		same( "$status $of_order", $status . ' ' . wc_get_order( $order->get_id() )->get_status() );
	}
	same( 5, count( preg_grep( '/INV-/', fake_lines( 'note', $order->get_id() ) ) ) );
}

function test_the_body_of_an_event_is_not_believed() {
	shop();
	list( $order, $invoice ) = ordered();
	same( 200, delivered( 'invoice.paid', $invoice )[0] ); // The event says paid; the gateway, asked, does not.
	same( 'pending', wc_get_order( $order->get_id() )->get_status() );
}

function test_a_forged_or_old_event_is_refused_before_anything_is_asked() {
	$gateway                 = shop();
	list( , $invoice )       = ordered();
	$asked                   = count( $gateway->asked );
	same( 401, delivered( 'invoice.paid', $invoice, time() - 301 )[0] );
	same( 401, Swap_Pay_Webhook::answer( 't=1,v1=00', '{}', time() )[0] );
	same( 401, Swap_Pay_Webhook::answer( '', '', time() )[0] );
	same( 413, Swap_Pay_Webhook::answer( '', str_repeat( 'x', 1048577 ), time() )[0] );
	$now = time();
	foreach ( array( 'null', '[]', '{"type":1,"data":{}}', '{"type":"invoice.paid"}', 'x' ) as $body ) {
		same( 400, Swap_Pay_Webhook::answer( "t=$now,v1=" . hash_hmac( 'sha256', "$now.$body", SECRET ), $body, $now )[0] );
	}
	same( $asked, count( $gateway->asked ) );
	foreach ( array( '../INV-0000000001', 'INV-000000000', 'INV-0000000001?x', array() ) as $id ) {
		same( array( 200, 'nothing for a shop' ), delivered( 'invoice.paid', $id ) );
	}
	same( array( 200, 'nothing for a shop' ), delivered( 'webhook.test', $invoice ) );
	same( $asked, count( $gateway->asked ) );
	shop( array( 'webhook_secret' => '' ) );
	same( 503, delivered( 'invoice.paid', $invoice )[0] );
}

function test_when_the_gateway_cannot_be_asked_the_event_is_wanted_again() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	foreach ( array( refused( 429, 'API_KEY_LOCKED', array(), array( 'retry-after' => '3600' ) ), refused( 401, 'INVALID_API_KEY' ), said( 404, 'no gateway here' ) ) as $answer ) {
		$gateway->next = array( array( "GET /invoices/$invoice", $answer ) );
		same( 503, delivered( 'invoice.paid', $invoice )[0] );
	}
	same( array( 200, 'not known to the key of this shop: of another mode or merchant' ), delivered( 'invoice.paid', 'INV-9999999999' ) );
	$GLOBALS['wpdb']->query( "INSERT INTO options (option_name, option_value) VALUES ('swap_pay_lock_order_{$order->get_id()}', '" . time() . ":other')" );
	same( 503, delivered( 'invoice.paid', $invoice )[0] ); // Another process works on the order.
	$GLOBALS['wpdb']->query( "UPDATE options SET option_value = '" . ( time() - 200 ) . ":dead' WHERE option_name = 'swap_pay_lock_order_{$order->get_id()}'" );
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
	same( 200, delivered( 'invoice.paid', $invoice )[0] ); // Left behind by a process that has died.
	same( 'processing', wc_get_order( $order->get_id() )->get_status() );
	same( null, $GLOBALS['wpdb']->get_var( "SELECT option_name FROM options WHERE option_name LIKE 'swap_pay_lock%'" ) );
}

function test_invoices_of_other_shops_change_nothing_here() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	$ours                    = in_status( $gateway->invoices[ $invoice ], 'paid' );
	$others                  = array(
		array( 'order_id' => 'other.example/' . $order->get_id() ),
		array( 'order_id' => 'shop.example/999' ),
		array( 'order_id' => 'shop.example/' . $order->get_id() . 'x' ),
		array( 'order_id' => null ),
		array( 'metadata' => array( 'order' => 'of a copy of the shop' ) ),
		array( 'metadata' => array() ),
	);
	foreach ( $others as $other ) {
		$gateway->invoices[ $invoice ] = $other + $ours;
		same( array( 200, 'not an order of this shop' ), delivered( 'invoice.paid', $invoice ) );
		same( 'pending', wc_get_order( $order->get_id() )->get_status() );
	}
}

function test_an_event_that_is_faster_than_the_answer_to_the_shop_finds_its_order() {
	$gateway       = shop();
	$order         = WC_Order::fake_create( array() );
	$gateway->next = array( array( 'POST /invoices', static function ( $gateway ) use ( $order ) {
		$wanted                              = end( $gateway->asked )['body'];
		$gateway->invoices['INV-0000000001'] = in_status( invoice( 'INV-0000000001', $wanted ), 'paid' );
		return new WP_Error( 'http_request_failed', 'cut off' );
	} ), array( 'POST /invoices', new WP_Error( 'http_request_failed', 'cut off' ) ), array( 'POST /invoices', new WP_Error( 'http_request_failed', 'cut off' ) ) );
	same( 'failure', ( new Swap_Pay_Gateway() )->process_payment( $order->get_id() )['result'] );
	same( 200, delivered( 'invoice.paid', 'INV-0000000001' )[0] );
	same( 'processing', wc_get_order( $order->get_id() )->get_status() );
}

function test_an_unpaid_invoice_cancels_its_order_unless_it_is_paid_or_going_to_be() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	$gateway->invoices[ $invoice ]['status'] = 'expired';
	same( 200, delivered( 'invoice.expired', $invoice )[0] );
	same( 'cancelled', wc_get_order( $order->get_id() )->get_status() );

	list( $order, $invoice ) = ordered();
	wc_get_order( $order->get_id() )->fake_set( 'method', 'card' )->payment_complete( 'card-1' ); // Paid by card meanwhile,
	same( 'cancelled', $gateway->invoices[ $invoice ]['status'] ); // so the invoice was ended,
	same( 200, delivered( 'invoice.cancelled', $invoice )[0] );
	same( 'processing', wc_get_order( $order->get_id() )->get_status() ); // and its end leaves the order alone.

	list( $order, $invoice ) = ordered();
	wc_get_order( $order->get_id() )->fake_set( 'method', 'bank' )->update_status( 'on-hold' ); // A bank transfer is awaited.
	$gateway->invoices[ $invoice ]['status'] = 'expired';
	same( 200, delivered( 'invoice.expired', $invoice )[0] );
	same( 'on-hold', wc_get_order( $order->get_id() )->get_status() );

	list( $order, $invoice ) = ordered();
	$gateway->invoices[ $invoice ]['status'] = 'expired';
	$again = ( new Swap_Pay_Gateway() )->process_payment( $order->get_id() ); // The customer tries once more before the event.
	same( 'success', $again['result'] );
	holds( false === strpos( $again['redirect'], $invoice ), 'a new invoice' );
	same( 200, delivered( 'invoice.expired', $invoice )[0] );
	same( 'pending', wc_get_order( $order->get_id() )->get_status() );
}

function test_money_for_a_cancelled_order_waits_for_a_person_and_is_not_counted_by_the_next_event() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	$gateway->invoices[ $invoice ]['status'] = 'expired';
	delivered( 'invoice.expired', $invoice );
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
	foreach ( array( 1, 2 ) as $time ) {
		delivered( 'invoice.paid', $invoice );
		same( 'on-hold', wc_get_order( $order->get_id() )->get_status() );
	}
	wc_get_order( $order->get_id() )->update_status( 'processing' ); // The shop's people have decided.
	delivered( 'invoice.paid', $invoice );
	same( 'processing', wc_get_order( $order->get_id() )->get_status() );
}

function test_woocommerce_does_not_cancel_what_may_still_be_paid() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	$may                     = static function () use ( $order ) {
		return apply_filters( 'woocommerce_cancel_unpaid_order', true, wc_get_order( $order->get_id() ) );
	};
	same( false, $may() );
	$gateway->next = array( array( "GET /invoices/$invoice", refused( 503, 'UNAVAILABLE', array(), array( 'retry-after' => '60' ) ) ) );
	same( false, $may() );
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'confirming' );
	same( false, $may() );
	same( 'on-hold', wc_get_order( $order->get_id() )->get_status() );
	$gateway->invoices[ $invoice ]['status'] = 'expired';
	same( true, $may() );
	same( false, apply_filters( 'woocommerce_cancel_unpaid_order', false, wc_get_order( $order->get_id() ) ) );
}

function test_lost_events_are_made_up_for_by_the_clock() {
	$gateway                 = shop();
	list( $order, $invoice ) = ordered();
	list( $other )           = ordered();
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
	do_action( 'swap_pay_ask_again' );
	same( 'processing', wc_get_order( $order->get_id() )->get_status() );
	same( 'pending', wc_get_order( $other->get_id() )->get_status() );
}
