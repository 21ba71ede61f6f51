<?php
/**
 * One at a time.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * A lock in the options' table, which all processes of the shop share: its key is unique there. WordPress's own updates
 * are locked in the same way.
 */
final class Swap_Pay_Lock {

	/**
	 * After so long a lock counts as left behind by a process that died. Longer than a request with all its tries.
	 */
	const ABANDONED_S = 180;

	/**
	 * Do something while nobody else does anything with the same name.
	 *
	 * @param string   $name   The name, such as `order_12`.
	 * @param int      $wait_s How long to wait for others at most.
	 * @param callable $work   What to do.
	 * @return mixed What `$work` returns.
	 * @throws Swap_Pay_Refusal If others took too long.
	 */
	public static function with( $name, $wait_s, callable $work ) {
		$option = 'swap_pay_lock_' . $name;
		$token  = time() . ':' . wp_generate_password( 20, false );
		$until  = time() + $wait_s;
		while ( ! self::take( $option, $token ) ) {
			if ( time() >= $until ) {
				throw new Swap_Pay_Refusal( __( 'This order is being worked on just now. Please try again in a moment.', 'swap-pay-for-woocommerce' ) );
			}
			usleep( 200000 );
		}
		try {
			return $work();
		} finally {
			self::release( $option, $token );
		}
	}

	/**
	 * Take a lock, or one that was left behind.
	 *
	 * @param string $option The option's name.
	 * @param string $token  Ours.
	 * @return bool
	 */
	private static function take( $option, $token ) {
		global $wpdb;
		// phpcs:disable WordPress.DB.DirectDatabaseQuery -- add_option() would overwrite what another process holds.
		if ( 1 === (int) $wpdb->query( $wpdb->prepare( "INSERT IGNORE INTO {$wpdb->options} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", $option, $token ) ) ) {
			return true;
		}
		$held = (string) $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM {$wpdb->options} WHERE option_name = %s", $option ) );
		if ( '' === $held || (int) $held > time() - self::ABANDONED_S ) {
			return false;
		}
		return 1 === (int) $wpdb->query( $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = %s WHERE option_name = %s AND option_value = %s", $token, $option, $held ) );
		// phpcs:enable
	}

	/**
	 * Give a lock back, if it is still ours.
	 *
	 * @param string $option The option's name.
	 * @param string $token  Ours.
	 */
	private static function release( $option, $token ) {
		global $wpdb;
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- as in take().
		$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name = %s AND option_value = %s", $option, $token ) );
	}
}
