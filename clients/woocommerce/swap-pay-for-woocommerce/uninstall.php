<?php
/**
 * Removes the plug-in's options when it is deleted. What orders hold (invoice ids, notes) stays: it belongs to the books.
 *
 * @package Swap_Pay
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/**
 * Remove the options of one site.
 */
function swap_pay_remove_options() {
	global $wpdb;
	delete_option( 'woocommerce_swap_pay_settings' );
	delete_option( 'swap_pay_merchant' );
	wp_clear_scheduled_hook( 'swap_pay_ask_again' );
	$locks = $wpdb->esc_like( 'swap_pay_lock_' ) . '%';
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- options by their beginning: there is no function for that.
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name LIKE %s", $locks ) );
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $swap_pay_site ) {
		switch_to_blog( $swap_pay_site );
		swap_pay_remove_options();
		restore_current_blog();
	}
} else {
	swap_pay_remove_options();
}
