<?php
/** What each state of an invoice does to each state of an order: the whole table. */

/** The columns: orders by what is known of them. */
function orders_of_table() {
	$open = array( 'status' => 'pending', 'is_paid' => false, 'is_ours' => true, 'total' => '49.9', 'currency' => 'EUR', 'current' => 'INV-1', 'paid_by' => '', 'last' => '' );
	return array(
		'pending'        => $open,
		'on-hold'        => array( 'status' => 'on-hold' ) + $open,
		'failed'         => array( 'status' => 'failed' ) + $open,
		'cancelled'      => array( 'status' => 'cancelled' ) + $open,
		'newer invoice'  => array( 'current' => 'INV-2' ) + $open,
		'other method'   => array( 'is_ours' => false ) + $open,
		'paid elsewhere' => array( 'status' => 'processing', 'is_paid' => true, 'is_ours' => false ) + $open,
		'paid by this'   => array( 'status' => 'processing', 'is_paid' => true, 'paid_by' => 'INV-1' ) + $open,
		'refunded'       => array( 'status' => 'refunded', 'is_paid' => true, 'paid_by' => 'INV-1' ) + $open,
	);
}

/** The rows: invoices by their state. Cells: the order's new status, + where it is paid now, the note; - for nothing. */
function table() {
	$ends = array( 'cancelled expired', 'cancelled expired', '-', '-', '-', '-', '-', '-', '-' );
	return array(
		'awaiting_choice'    => array( '-', '-', '-', '-', '-', '-', '-', '-', '-' ),
		'awaiting_deposit'   => array( '-', '-', '-', '-', '-', '-', '-', '-', '-' ),
		'confirming'         => array( 'on-hold confirming', 'on-hold confirming', 'on-hold confirming', 'confirming_closed', 'on-hold confirming', 'confirming_closed', 'confirming_closed', 'confirming_closed', 'confirming_closed' ),
		'paid'               => array( '+paid', '+paid', '+paid', 'on-hold paid_cancelled_hold', '+paid', '+paid_other_method', 'second', '-', '-' ),
		'partially_refunded' => array( 'on-hold refunded_before', 'on-hold refunded_before', 'on-hold refunded_before', 'refunded_before', 'on-hold refunded_before', 'on-hold refunded_before', 'refunded_before', 'partially_refunded', 'partially_refunded' ),
		'refunded'           => array( 'on-hold refunded_before', 'on-hold refunded_before', 'on-hold refunded_before', 'refunded_before', 'on-hold refunded_before', 'on-hold refunded_before', 'refunded_before', 'refunded', 'refunded' ),
		'expired'            => $ends,
		'cancelled'          => str_replace( ' expired', ' cancelled', $ends ),
		'manual_review'      => array( 'on-hold review', 'on-hold review', 'on-hold review', 'review', 'on-hold review', 'review', 'review', 'review', 'review' ),
		'closed'             => array_fill( 0, 9, 'closed' ),
		'of a newer gateway' => array_fill( 0, 9, 'unknown' ),
		'reversed'           => array( 'on-hold reversed', 'on-hold reversed', 'on-hold reversed', 'reversed', 'on-hold reversed', 'on-hold reversed', 'reversed', 'on-hold reversed', 'reversed' ),
		'other price'        => array( 'on-hold mismatch', 'on-hold mismatch', 'on-hold mismatch', 'mismatch', 'on-hold mismatch', 'on-hold mismatch', 'mismatch', '-', '-' ),
		'other currency'     => array( 'on-hold mismatch', 'on-hold mismatch', 'on-hold mismatch', 'mismatch', 'on-hold mismatch', 'on-hold mismatch', 'mismatch', '-', '-' ),
		'no price'           => array( 'on-hold mismatch', 'on-hold mismatch', 'on-hold mismatch', 'mismatch', 'on-hold mismatch', 'on-hold mismatch', 'mismatch', '-', '-' ),
		'less was credited'  => array( 'on-hold short', 'on-hold short', 'on-hold short', 'short', 'on-hold short', 'on-hold short', 'short', '-', '-' ),
		'all was credited'   => array( '+paid', '+paid', '+paid', 'on-hold paid_cancelled_hold', '+paid', '+paid_other_method', 'second', '-', '-' ),
		'more came'          => array( '+paid', '+paid', '+paid', 'on-hold paid_cancelled_hold', '+paid', '+paid_other_method', 'second', 'extra', 'extra' ),
	);
}

function invoice_of_row( $row ) {
	$paid = in_status( invoice( 'INV-1' ), 'paid' );
	switch ( $row ) {
		case 'of a newer gateway':
			return in_status( invoice( 'INV-1' ), 'teleported' );
		case 'reversed':
			return array( 'credited' => false ) + $paid;
		case 'other price':
			return array( 'price' => array( 'amount_decimal' => '49.89', 'currency' => 'EUR' ) ) + $paid;
		case 'other currency':
			return array( 'price' => array( 'amount_decimal' => '49.90', 'currency' => 'USD' ) ) + $paid;
		case 'no price':
			return array( 'price' => null ) + $paid;
		case 'less was credited':
			return array( 'credited_raw' => '53805372', 'review' => array( 'outcome' => 'credited' ) ) + $paid;
		case 'all was credited':
			return array( 'review' => array( 'outcome' => 'credited' ) ) + $paid;
		case 'more came':
			return array( 'needs_review' => true ) + $paid;
	}
	return in_status( invoice( 'INV-1' ), $row );
}

function as_cell( Swap_Pay_Decision $decision ) {
	$cell = trim( $decision->status . ' ' . ( $decision->completes ? '+' : '' ) . $decision->note );
	return '' === $cell ? '-' : $cell;
}

function test_every_state_of_an_invoice_meets_every_state_of_an_order() {
	foreach ( table() as $row => $cells ) {
		foreach ( array_keys( orders_of_table() ) as $number => $column ) {
			$decision = Swap_Pay_Decision::make( orders_of_table()[ $column ], invoice_of_row( $row ), array( 'cases' => 'hold', 'late' => 'hold' ) );
			same( "$row, $column: {$cells[ $number ]}", "$row, $column: " . as_cell( $decision ) );
		}
	}
}

function test_the_settings_decide_on_cases_and_on_late_money() {
	$rules  = array( 'cases' => 'note', 'late' => 'complete' );
	$orders = orders_of_table();
	same( 'review', as_cell( Swap_Pay_Decision::make( $orders['pending'], invoice_of_row( 'manual_review' ), $rules ) ) );
	same( '+paid_cancelled', as_cell( Swap_Pay_Decision::make( $orders['cancelled'], invoice_of_row( 'paid' ), $rules ) ) );
}

function test_a_payment_that_the_chain_has_given_back_is_told() {
	$order = array( 'last' => 'paid/reversed' ) + orders_of_table()['paid by this'];
	same( 'restored', as_cell( Swap_Pay_Decision::make( $order, invoice_of_row( 'paid' ), array( 'cases' => 'hold', 'late' => 'hold' ) ) ) );
}

function test_every_note_has_its_sentence() {
	$source = file_get_contents( $_SERVER['PLUGIN'] . '/includes/class-swap-pay-decision.php' );
	preg_match_all( "/'(confirming\w*|paid(?!_by)\w*|mismatch|short|refunded_before|second|extra|review|closed|reversed|restored)'/", $source, $found );
	$told = array();
	foreach ( array_unique( array_merge( $found[1], array( 'expired', 'cancelled', 'partially_refunded', 'refunded' ) ) ) as $note ) {
		$words = Swap_Pay_Words::note( $note, in_status( invoice( 'INV-1' ), 'paid' ) );
		holds( false !== strpos( $words, 'INV-1' ) && false !== strpos( $words, '0xfeed' ) && false !== strpos( $words, 'Test mode' ), $words );
		holds( false === strpos( $words, 'does not know' ), "$note has no sentence" );
		$told[] = $words;
	}
	same( count( $told ), count( array_unique( $told ) ) );
}
