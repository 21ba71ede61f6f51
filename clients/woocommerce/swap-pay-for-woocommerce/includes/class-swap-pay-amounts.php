<?php
/**
 * Amounts as strings of digits. Coins have up to 18 decimals, more than PHP's integers hold, and money is never a float.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Arithmetic on amounts. Pure: nothing is stored or asked.
 */
final class Swap_Pay_Amounts {

	/**
	 * A decimal without needless zeros: `12.50` becomes `12.5`, `1200.00` becomes `1200`.
	 *
	 * @param string $decimal Digits, and perhaps a point with more digits.
	 * @return string
	 * @throws InvalidArgumentException If it is not a decimal without sign and exponent.
	 */
	public static function plain( $decimal ) {
		$decimal = (string) $decimal;
		if ( ! preg_match( '/^[0-9]+(\.[0-9]+)?$/D', $decimal ) ) {
			throw new InvalidArgumentException( 'not a decimal' );
		}
		if ( false !== strpos( $decimal, '.' ) ) {
			$decimal = rtrim( rtrim( $decimal, '0' ), '.' );
		}
		$decimal = ltrim( $decimal, '0' );
		return '' === $decimal || '.' === $decimal[0] ? '0' . $decimal : $decimal;
	}

	/**
	 * Whether two decimals are the same amount, however many zeros they end with.
	 *
	 * @param string $one   A decimal.
	 * @param string $other A decimal.
	 * @return bool
	 */
	public static function same( $one, $other ) {
		try {
			return self::plain( $one ) === self::plain( $other );
		} catch ( InvalidArgumentException $error ) {
			return false;
		}
	}

	/**
	 * Compare two integers of any length.
	 *
	 * @param string $one   Digits.
	 * @param string $other Digits.
	 * @return int Below, at or above zero, as `strcmp`.
	 */
	public static function compare( $one, $other ) {
		$one   = self::digits( $one );
		$other = self::digits( $other );
		return strlen( $one ) === strlen( $other ) ? strcmp( $one, $other ) : strlen( $one ) - strlen( $other );
	}

	/**
	 * The sum of two integers of any length.
	 *
	 * @param string $one   Digits.
	 * @param string $other Digits.
	 * @return string
	 */
	public static function add( $one, $other ) {
		$length = max( strlen( $one ), strlen( $other ) );
		$one    = str_pad( self::digits( $one ), $length, '0', STR_PAD_LEFT );
		$other  = str_pad( self::digits( $other ), $length, '0', STR_PAD_LEFT );
		$sum    = '';
		$carry  = 0;
		for ( $place = $length - 1; $place >= 0; $place-- ) {
			$digit = (int) $one[ $place ] + (int) $other[ $place ] + $carry;
			$sum   = ( $digit % 10 ) . $sum;
			$carry = intdiv( $digit, 10 );
		}
		return self::digits( $carry . $sum );
	}

	/**
	 * The difference of two integers of any length; 0 where the second is larger.
	 *
	 * @param string $one   Digits.
	 * @param string $other Digits.
	 * @return string
	 */
	public static function less( $one, $other ) {
		if ( self::compare( $one, $other ) <= 0 ) {
			return '0';
		}
		$one        = self::digits( $one );
		$other      = str_pad( self::digits( $other ), strlen( $one ), '0', STR_PAD_LEFT );
		$difference = '';
		$borrowed   = 0;
		for ( $place = strlen( $one ) - 1; $place >= 0; $place-- ) {
			$digit      = (int) $one[ $place ] - (int) $other[ $place ] - $borrowed;
			$borrowed   = $digit < 0 ? 1 : 0;
			$difference = ( ( $digit + 10 ) % 10 ) . $difference;
		}
		return self::digits( $difference );
	}

	/**
	 * The share `$part / $whole` of an amount in minor units, rounded down.
	 *
	 * @param string $raw   Digits, of any length.
	 * @param string $part  A decimal of at most 15 digits.
	 * @param string $whole A decimal of at most 15 digits, above zero and not below the part.
	 * @return string Digits.
	 * @throws InvalidArgumentException If the two decimals are not as above.
	 */
	public static function share( $raw, $part, $whole ) {
		$part   = self::plain( $part );
		$whole  = self::plain( $whole );
		$places = max( self::places( $part ), self::places( $whole ) );
		$times  = self::digits( self::raw( $part, $places ) );
		$by     = self::digits( self::raw( $whole, $places ) );
		if ( strlen( $times ) > 15 || strlen( $by ) > 15 || '0' === $by || self::compare( $times, $by ) > 0 ) {
			throw new InvalidArgumentException( 'not a share' );
		}
		return self::divided( self::multiplied( self::digits( $raw ), (int) $times ), (int) $by );
	}

	/**
	 * Minor units of a decimal.
	 *
	 * @param string $decimal A decimal.
	 * @param int    $places  How many places one whole has.
	 * @return string Digits.
	 * @throws InvalidArgumentException If it has more places.
	 */
	public static function raw( $decimal, $places ) {
		list( $whole, $rest ) = explode( '.', self::plain( $decimal ) . '.', 3 );
		if ( strlen( $rest ) > $places ) {
			throw new InvalidArgumentException( 'too many places' );
		}
		return self::digits( $whole . str_pad( $rest, $places, '0' ) );
	}

	/**
	 * The decimal of minor units, without needless zeros.
	 *
	 * @param string $raw    Digits.
	 * @param int    $places How many places one whole has.
	 * @return string
	 */
	public static function decimal( $raw, $places ) {
		$raw = str_pad( self::digits( $raw ), $places + 1, '0', STR_PAD_LEFT );
		return 0 === $places ? $raw : self::plain( substr( $raw, 0, -$places ) . '.' . substr( $raw, -$places ) );
	}

	/**
	 * How many places a plain decimal has.
	 *
	 * @param string $decimal A decimal.
	 * @return int
	 */
	private static function places( $decimal ) {
		$point = strpos( $decimal, '.' );
		return false === $point ? 0 : strlen( $decimal ) - $point - 1;
	}

	/**
	 * Digits without zeros at their beginning.
	 *
	 * @param string $raw Digits.
	 * @return string
	 * @throws InvalidArgumentException If there is anything else.
	 */
	private static function digits( $raw ) {
		$raw = (string) $raw;
		if ( ! preg_match( '/^[0-9]+$/D', $raw ) ) {
			throw new InvalidArgumentException( 'not an amount in minor units' );
		}
		$raw = ltrim( $raw, '0' );
		return '' === $raw ? '0' : $raw;
	}

	/**
	 * Digits times an integer of at most 15 digits, which leaves room for the carry in 64 bits.
	 *
	 * @param string $raw   Digits.
	 * @param int    $times The factor.
	 * @return string
	 */
	private static function multiplied( $raw, $times ) {
		$product = '';
		$carry   = 0;
		for ( $place = strlen( $raw ) - 1; $place >= 0; $place-- ) {
			$carry  += (int) $raw[ $place ] * $times;
			$product = ( $carry % 10 ) . $product;
			$carry   = intdiv( $carry, 10 );
		}
		return self::digits( $carry . $product );
	}

	/**
	 * Digits divided by an integer of at most 15 digits, rounded down.
	 *
	 * @param string $raw Digits.
	 * @param int    $by  The divisor.
	 * @return string
	 */
	private static function divided( $raw, $by ) {
		$quotient = '';
		$rest     = 0;
		foreach ( str_split( $raw ) as $digit ) {
			$rest      = $rest * 10 + (int) $digit;
			$quotient .= intdiv( $rest, $by );
			$rest      = $rest % $by;
		}
		return self::digits( $quotient );
	}
}
