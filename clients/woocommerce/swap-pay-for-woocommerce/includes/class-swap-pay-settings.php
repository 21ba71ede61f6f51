<?php
/**
 * The plug-in's settings.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Reads what the settings page has stored. A constant in wp-config.php comes before what is stored, so that secrets need
 * not be in the database: SWAP_PAY_GATEWAY_URL, SWAP_PAY_SECRET_KEY, SWAP_PAY_WEBHOOK_SECRET.
 */
final class Swap_Pay_Settings {

	const METHOD = 'swap_pay';

	const KEY_FORM = '/^sspay_sec_(live|test)_[A-Za-z0-9]+_[A-Za-z0-9_\-]+$/D';

	const SECRET_FORM = '#^whsec_[A-Za-z0-9+/]{20,}={0,2}$#D';

	/**
	 * Defaults by name. Titles of customers are translated where they are shown.
	 *
	 * @return array
	 */
	public static function defaults() {
		return array(
			'enabled'        => 'no',
			'title'          => __( 'Crypto', 'swap-pay-for-woocommerce' ),
			'description'    => __( 'Pay with bitcoin, stablecoins and other coins. You choose the coin on the next page.', 'swap-pay-for-woocommerce' ),
			'gateway_url'    => '',
			'secret_key'     => '',
			'webhook_secret' => '',
			'expires_in'     => '60',
			'cases'          => 'hold',
			'late'           => 'hold',
		);
	}

	/**
	 * A setting.
	 *
	 * @param string $name Its name.
	 * @return string
	 */
	public static function get( $name ) {
		$constant = 'SWAP_PAY_' . strtoupper( $name );
		if ( self::is_constant( $name ) ) {
			return (string) constant( $constant );
		}
		$stored = get_option( 'woocommerce_swap_pay_settings', array() );
		if ( is_array( $stored ) && isset( $stored[ $name ] ) ) {
			return (string) $stored[ $name ];
		}
		$defaults = self::defaults();
		return isset( $defaults[ $name ] ) ? $defaults[ $name ] : '';
	}

	/**
	 * Whether wp-config.php has the setting.
	 *
	 * @param string $name Its name.
	 * @return bool
	 */
	public static function is_constant( $name ) {
		return in_array( $name, array( 'gateway_url', 'secret_key', 'webhook_secret' ), true )
			&& defined( 'SWAP_PAY_' . strtoupper( $name ) );
	}

	/**
	 * Whether invoices can be made.
	 *
	 * @return bool
	 */
	public static function are_complete() {
		return '' !== self::get( 'gateway_url' ) && '' !== self::get( 'secret_key' ) && '' !== self::get( 'webhook_secret' );
	}

	/**
	 * Whether the key is one for tests.
	 *
	 * @return bool
	 */
	public static function is_test() {
		return 0 === strpos( self::get( 'secret_key' ), 'sspay_sec_test_' );
	}

	/**
	 * The gateway's address as it is stored: https, without the API's path. Plain http is for this machine alone.
	 *
	 * @param string $typed What was typed.
	 * @return string
	 * @throws InvalidArgumentException If it is no such address.
	 */
	public static function checked_url( $typed ) {
		$url   = esc_url_raw( trim( $typed ), array( 'https', 'http' ) );
		$parts = wp_parse_url( $url );
		if ( ! is_array( $parts ) || empty( $parts['host'] ) || isset( $parts['user'] ) || isset( $parts['query'] ) || isset( $parts['fragment'] ) ) {
			throw new InvalidArgumentException( 'not an address' );
		}
		$is_here = in_array( $parts['host'], array( 'localhost', '127.0.0.1', '[::1]' ), true );
		if ( 'https' !== $parts['scheme'] && ! $is_here ) {
			throw new InvalidArgumentException( 'not https' );
		}
		$path = isset( $parts['path'] ) ? preg_replace( '#/api(/.*)?$#', '', $parts['path'] ) : '';
		return $parts['scheme'] . '://' . $parts['host'] . ( isset( $parts['port'] ) ? ':' . $parts['port'] : '' ) . rtrim( $path, '/' );
	}

	/**
	 * The address that the gateway delivers events to.
	 *
	 * @return string
	 */
	public static function webhook_url() {
		return WC()->api_request_url( 'swap_pay' );
	}

	/**
	 * What this shop's order ids begin with at the gateway. Shops of one merchant must not share order ids, so it is the
	 * shop's address.
	 *
	 * @return string
	 */
	public static function shop() {
		$shop = preg_replace( '#^https?://#', '', untrailingslashit( home_url() ) );
		return strlen( $shop ) <= 70 ? $shop : substr( hash( 'sha256', $shop ), 0, 32 );
	}
}
