<?php
/**
 * Signatures of webhooks.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Verifies the header `Swap-Pay-Signature: t=<unix>,v1=<hex>`: HMAC-SHA256 of `<t>.` and the raw body, keyed with the
 * whole secret as text. While a secret is being rotated, two `v1` stand side by side. Pure.
 */
final class Swap_Pay_Signature {

	/**
	 * Seconds that the time of a signature may be away from now, to either side: an old request can't be sent again.
	 */
	const WINDOW_S = 300;

	/**
	 * Whether a request was signed with this secret, and just now.
	 *
	 * @param string $secret The endpoint's secret, `whsec_` included.
	 * @param string $header The header's value.
	 * @param string $body   The raw body, byte for byte.
	 * @param int    $now    Unix time.
	 * @return bool
	 */
	public static function is_good( $secret, $header, $body, $now ) {
		if ( '' === $secret ) {
			return false;
		}
		$stamp = null;
		$marks = array();
		foreach ( explode( ',', $header ) as $part ) {
			$pair = explode( '=', trim( $part ), 2 );
			if ( 2 !== count( $pair ) ) {
				return false;
			}
			if ( 't' === $pair[0] ) {
				if ( null !== $stamp ) {
					return false; // Two times: which of them was signed?
				}
				$stamp = $pair[1];
			} elseif ( 'v1' === $pair[0] ) {
				$marks[] = $pair[1];
			}
		}
		if ( null === $stamp || ! preg_match( '/^[0-9]{1,12}$/D', $stamp ) ) {
			return false;
		}
		$expected = hash_hmac( 'sha256', $stamp . '.' . $body, $secret );
		$is_ours  = false;
		foreach ( $marks as $mark ) {
			$is_ours = hash_equals( $expected, $mark ) || $is_ours;
		}
		return $is_ours && abs( $now - (int) $stamp ) <= self::WINDOW_S;
	}
}
