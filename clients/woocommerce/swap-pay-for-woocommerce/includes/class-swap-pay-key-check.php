<?php
/**
 * Whether the gateway takes the key, and what the key may do.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Asks the gateway. Nothing is created: a right to create is seen by a request without a body, which the gateway refuses
 * with MISSING_SCOPE where the right is missing, and for its body where it is there.
 */
final class Swap_Pay_Key_Check {

	/**
	 * Scopes that the plug-in cannot work without.
	 */
	const NEEDED = array( 'invoices.read', 'invoices.write' );

	/**
	 * Scopes that refunds from WooCommerce take.
	 */
	const FOR_REFUNDS = array( 'refunds.read', 'refunds.write' );

	/**
	 * Scopes, each with a request that needs it.
	 */
	const PROBES = array(
		'invoices.read'  => array( 'GET', '/invoices?limit=1' ),
		'invoices.write' => array( 'POST', '/invoices' ),
		'refunds.read'   => array( 'GET', '/refunds?limit=1' ),
		'refunds.write'  => array( 'POST', '/invoices/INV-0000000000/refunds' ),
	);

	/**
	 * Ask for all scopes. The first refusal of the key itself ends it: the gateway locks a key after five wrong secrets.
	 *
	 * @param Swap_Pay_Api $api      The API with the key.
	 * @param string       $currency The shop's currency.
	 * @return array `has` and `lacks`: scopes; `rates`: how many coins have a rate in the shop's currency now, or null
	 *               where that is not known.
	 * @throws Swap_Pay_Api_Error If the key is refused, or there is no answer.
	 */
	public static function ask( Swap_Pay_Api $api, $currency ) {
		$api->get( '/assets' ); // Any key may read it.
		$has = array();
		foreach ( self::PROBES as $scope => $probe ) {
			try {
				'GET' === $probe[0] ? $api->get( $probe[1] ) : $api->post( $probe[1], null, null );
				$has[] = $scope;
			} catch ( Swap_Pay_Api_Error $error ) {
				if ( 'MISSING_SCOPE' === $error->code_name ) {
					continue;
				}
				if ( $error->may_pass() || ! in_array( $error->status, array( 400, 404, 415, 422 ), true ) ) {
					throw $error;
				}
				$has[] = $scope;
			}
		}
		return array(
			'has'   => $has,
			'lacks' => array_values( array_diff( array_keys( self::PROBES ), $has ) ),
			'rates' => in_array( 'invoices.read', $has, true ) ? self::rates( $api, $currency ) : null,
		);
	}

	/**
	 * How many coins have a rate in a currency now.
	 *
	 * @param Swap_Pay_Api $api      The API.
	 * @param string       $currency ISO 4217.
	 * @return int|null
	 */
	private static function rates( Swap_Pay_Api $api, $currency ) {
		try {
			$rates = $api->get( '/rates', array( 'currency' => $currency ) );
		} catch ( Swap_Pay_Api_Error $error ) {
			return 400 === $error->status ? 0 : null;
		}
		$found = 0;
		foreach ( $rates['data'] as $rate ) {
			$found += null === $rate['rate'] ? 0 : 1;
		}
		return $found;
	}
}
