<?php
/**
 * The plug-in's lines in WooCommerce's log.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Writes under the source `swap-pay`. It takes facts, never requests or bodies, and hides whatever looks like a secret.
 */
final class Swap_Pay_Log {

	/**
	 * Write a line.
	 *
	 * @param string $level `info`, `warning` or `error`.
	 * @param string $words What happened.
	 * @param array  $facts Scalars by name.
	 */
	public static function write( $level, $words, array $facts = array() ) {
		foreach ( $facts as $name => $value ) {
			$words .= ' ' . $name . '=' . ( is_scalar( $value ) ? (string) $value : '?' );
		}
		wc_get_logger()->log( $level, self::without_secrets( $words ), array( 'source' => 'swap-pay' ) );
	}

	/**
	 * Hide keys, webhook secrets and the seals of payment links.
	 *
	 * @param string $words Any text.
	 * @return string
	 */
	public static function without_secrets( $words ) {
		return preg_replace(
			array( '/sspay_sec_(live|test)_[A-Za-z0-9_\-]+/', '/whsec_[A-Za-z0-9+\/=_\-]+/', '#(/pay/INV-[0-9A-Z]+)\.[A-Za-z0-9_\-]+#' ),
			array( 'sspay_sec_$1_…', 'whsec_…', '$1.…' ),
			$words
		);
	}
}
