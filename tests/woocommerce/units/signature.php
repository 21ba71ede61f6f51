<?php
/** Signatures of events: who is believed, and for how long. */

function signed( $body, $at, $secret = SECRET ) {
	return "t=$at,v1=" . hash_hmac( 'sha256', "$at.$body", $secret );
}

function test_only_what_the_secret_has_signed_is_good() {
	$header = signed( '{"a":1}', 1000 );
	holds( Swap_Pay_Signature::is_good( SECRET, $header, '{"a":1}', 1000 ), 'signed' );
	foreach ( array( '{"a":2}', '{"a":1} ', '' ) as $other ) {
		holds( ! Swap_Pay_Signature::is_good( SECRET, $header, $other, 1000 ), $other );
	}
	holds( ! Swap_Pay_Signature::is_good( SECRET . '=', $header, '{"a":1}', 1000 ), 'another secret' );
	holds( ! Swap_Pay_Signature::is_good( '', "t=1000,v1=" . hash_hmac( 'sha256', '1000.x', '' ), 'x', 1000 ), 'no secret is set' );
}

function test_a_signature_is_good_for_five_minutes_to_either_side() {
	foreach ( array( -301 => false, -300 => true, 0 => true, 300 => true, 301 => false ) as $after => $is_good ) {
		same( $is_good, Swap_Pay_Signature::is_good( SECRET, signed( 'x', 1000 ), 'x', 1000 + $after ) );
	}
}

function test_while_a_secret_is_rotated_either_mark_will_do() {
	$old    = hash_hmac( 'sha256', '1000.x', 'whsec_b2xk' );
	$new    = hash_hmac( 'sha256', '1000.x', SECRET );
	holds( Swap_Pay_Signature::is_good( SECRET, "t=1000,v1=$new,v1=$old", 'x', 1000 ), 'new first' );
	holds( Swap_Pay_Signature::is_good( SECRET, "t=1000,v1=$old,v1=$new", 'x', 1000 ), 'old first' );
	holds( Swap_Pay_Signature::is_good( SECRET, "t=1000,v0=00,v1=$new", 'x', 1000 ), 'beside another scheme' );
}

function test_what_is_no_header_is_refused() {
	$mark = hash_hmac( 'sha256', '1000.x', SECRET );
	foreach ( array( '', 't=1000', "v1=$mark", "t=,v1=$mark", "t=1e3,v1=$mark", "t=1000,t=1000,v1=$mark", "t=1000,v1=", "t=1000;v1=$mark", "t=1000,v1=" . strtoupper( $mark ), "t=1000,$mark" ) as $header ) {
		holds( ! Swap_Pay_Signature::is_good( SECRET, $header, 'x', 1000 ), $header );
	}
}
