<?php
/** Arithmetic on digits, beside PHP's bcmath. */

function test_decimals_are_the_same_however_many_zeros_they_end_with() {
	same( '12.5', Swap_Pay_Amounts::plain( '12.50' ) );
	same( '1200', Swap_Pay_Amounts::plain( '1200.00' ) );
	same( '0.5', Swap_Pay_Amounts::plain( '00.50' ) );
	same( '0', Swap_Pay_Amounts::plain( '0.00' ) );
	holds( Swap_Pay_Amounts::same( '49.9', '49.90' ), 'equal' );
	foreach ( array( '49.91', '', null, '1e2', '-1', '49.9 ', "49.9\n", '.5', '4,5' ) as $other ) {
		holds( ! Swap_Pay_Amounts::same( '49.9', $other ), var_export( $other, true ) );
	}
}

function test_sums_and_shares_are_exact_at_any_length() {
	mt_srand( 7 );
	for ( $round = 0; $round < 2000; $round++ ) {
		$one   = ltrim( substr( str_shuffle( str_repeat( '0123456789', 4 ) ), 0, mt_rand( 1, 38 ) ), '0' ) ?: '0';
		$other = ltrim( substr( str_shuffle( str_repeat( '0123456789', 4 ) ), 0, mt_rand( 1, 38 ) ), '0' ) ?: '0';
		same( bcadd( $one, $other ), Swap_Pay_Amounts::add( $one, $other ) );
		same( bccomp( $one, $other ) <=> 0, Swap_Pay_Amounts::compare( $one, $other ) <=> 0 );
		same( bccomp( $one, $other ) > 0 ? bcsub( $one, $other ) : '0', Swap_Pay_Amounts::less( $one, $other ) );
		$whole = mt_rand( 1, 999999999 );
		$part  = mt_rand( 0, $whole );
		same(
			bcdiv( bcmul( $one, (string) $part ), (string) $whole, 0 ),
			Swap_Pay_Amounts::share( $one, sprintf( '%d.%02d', intdiv( $part, 100 ), $part % 100 ), sprintf( '%d.%02d', intdiv( $whole, 100 ), $whole % 100 ) )
		);
		same( $one, Swap_Pay_Amounts::raw( Swap_Pay_Amounts::decimal( $one, 18 ), 18 ) );
	}
	same( '0.000001', Swap_Pay_Amounts::decimal( '1', 6 ) );
	same( '12', Swap_Pay_Amounts::decimal( '12', 0 ) );
}

function test_what_is_no_share_is_refused() {
	foreach ( array( array( '2', '1' ), array( '1', '0' ), array( '-1', '1' ), array( '1', '1e3' ) ) as $pair ) {
		refusal( static function () use ( $pair ) {
			Swap_Pay_Amounts::share( '100', $pair[0], $pair[1] );
		}, 'InvalidArgumentException' );
	}
}
