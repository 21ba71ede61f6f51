<?php
/** The settings page: what is taken, what the gateway says of the key, and where secrets go. */

/** Save the settings as the page does, and return what it shows. */
function saved( array $fields ) {
	$_POST = array();
	foreach ( $fields + array( 'expires_in' => '60', 'cases' => 'hold', 'late' => 'hold', 'enabled' => '1' ) as $name => $value ) {
		$_POST[ "woocommerce_swap_pay_$name" ] = $value;
	}
	WC_Admin_Settings::$shown = array();
	( new Swap_Pay_Gateway() )->process_admin_options();
	$_POST = array();
	return implode( "\n", array_column( WC_Admin_Settings::$shown, 1 ) );
}

/** A gateway whose key has these scopes. */
function with_scopes( array $scopes, $currency_is_on = true ) {
	$gateway = shop( array( 'gateway_url' => '', 'secret_key' => '', 'webhook_secret' => '' ) );
	$says    = static function ( $scope, $answer ) use ( $scopes ) {
		return in_array( $scope, $scopes, true ) ? $answer : refused( 403, 'MISSING_SCOPE' );
	};
	$list    = said( 200, array( 'data' => array(), 'next_cursor' => null ) );
	$gateway->next = array(
		array( 'GET /invoices', $says( 'invoices.read', $list ) ),
		array( 'POST /invoices', $says( 'invoices.write', refused( 400, 'IDEMPOTENCY_REQUIRED' ) ) ),
		array( 'GET /refunds', $says( 'refunds.read', $list ) ),
		array( 'POST /invoices/INV-0000000000/refunds', $says( 'refunds.write', refused( 400, 'INVALID_INPUT' ) ) ),
		array( 'GET /rates', $currency_is_on ? said( 200, array( 'data' => array( array( 'rate' => '0.92' ) ) ) ) : refused( 400, 'INVALID_INPUT' ) ),
	);
	return $gateway;
}

function test_good_settings_are_stored_and_the_keys_scopes_told() {
	$gateway = with_scopes( array_keys( Swap_Pay_Key_Check::PROBES ) );
	$shown   = saved( array( 'gateway_url' => ' https://pay.example/api/v1/merchant/ ', 'secret_key' => KEY, 'webhook_secret' => SECRET, 'title' => 'Coins' ) );
	same( 'Swap Pay: the gateway takes the key, in test mode. It may: invoices.read, invoices.write, refunds.read, refunds.write.', $shown );
	same( array( 'https://pay.example', KEY, SECRET, 'Coins', 'yes' ), array_map( array( 'Swap_Pay_Settings', 'get' ), array( 'gateway_url', 'secret_key', 'webhook_secret', 'title', 'enabled' ) ) );
	same( 0, count( $gateway->invoices ) );
	foreach ( $gateway->asked as $each ) {
		same( null, $each['body'] );
	}
	holds( ( new Swap_Pay_Gateway() )->is_available(), 'offered' );
}

function test_missing_scopes_and_rates_are_told() {
	with_scopes( array( 'invoices.read', 'invoices.write' ), false );
	$shown = saved( array( 'gateway_url' => 'https://pay.example', 'secret_key' => KEY, 'webhook_secret' => SECRET ) );
	holds( false !== strpos( $shown, 'lacks refunds.read, refunds.write. You can\'t refund' ), $shown );
	holds( false !== strpos( $shown, 'no rate in EUR' ), $shown );
	with_scopes( array() );
	$shown = saved( array( 'gateway_url' => 'https://pay.example', 'secret_key' => KEY, 'webhook_secret' => SECRET ) );
	holds( false !== strpos( $shown, 'lacks invoices.read, invoices.write. Customers can\'t pay' ), $shown );
}

function test_a_wrong_key_is_tried_once_only() {
	foreach ( array(
		'refuses the secret key' => refused( 401, 'INVALID_API_KEY' ),
		'is locked'              => refused( 429, 'API_KEY_LOCKED', array(), array( 'retry-after' => '3600' ) ),
		'from this server'       => refused( 403, 'IP_NOT_ALLOWED' ),
		'something else answers' => said( 404, 'nginx' ),
		'Live mode is not open'  => refused( 403, 'MERCHANT_NOT_APPROVED' ),
	) as $words => $answer ) {
		$gateway       = with_scopes( array() );
		$gateway->next = array( array( 'GET /assets', $answer ) );
		$shown         = saved( array( 'gateway_url' => 'https://pay.example', 'secret_key' => KEY, 'webhook_secret' => SECRET ) );
		holds( false !== strpos( $shown, $words ), "$words: $shown" );
		same( 1, count( $gateway->asked ) );
	}
}

function test_a_gateway_that_fails_in_between_is_not_taken_for_a_key_that_may() {
	$gateway = with_scopes( array_keys( Swap_Pay_Key_Check::PROBES ) );
	array_unshift( $gateway->next, array( 'GET /refunds', refused( 503, 'UNAVAILABLE', array(), array( 'retry-after' => '60' ) ) ) );
	$shown = saved( array( 'gateway_url' => 'https://pay.example', 'secret_key' => KEY, 'webhook_secret' => SECRET ) );
	holds( false !== strpos( $shown, 'UNAVAILABLE' ) && false === strpos( $shown, 'It may' ), $shown );
}

function test_bad_fields_are_named_and_what_was_stored_stays() {
	$good = array( 'gateway_url' => 'https://pay.example', 'secret_key' => '', 'webhook_secret' => '' );
	$bad  = array(
		'gateway_url'    => array( 'http://pay.example', 'pay.example', 'ftp://pay.example', 'https://user:word@pay.example', 'https://pay.example/?a=1', 'https://', 'javascript:alert(1)' ),
		'secret_key'     => array( 'sspay_pub_test_a_b', 'whsec_abc', KEY . ' x', 'sspay_sec_test_' ),
		'webhook_secret' => array( 'whsec_', 'secret', KEY, SECRET . '"' ),
		'expires_in'     => array( '9', '10081', '1e2', '', '60.5' ),
	);
	foreach ( $bad as $field => $values ) {
		foreach ( $values as $value ) {
			if ( '' === $value && 'expires_in' !== $field ) {
				continue;
			}
			$gateway = shop();
			$gateway->next = array( array( 'GET /assets', refused( 401, 'INVALID_API_KEY' ) ) );
			$shown   = saved( array( $field => $value ) + $good );
			holds( 1 === preg_match( '/^(Gateway address|Secret key|Webhook secret|Minutes to pay):/', $shown ), "$field $value: $shown" );
			same( array( 'https://pay.example', KEY, SECRET ), array_map( array( 'Swap_Pay_Settings', 'get' ), array( 'gateway_url', 'secret_key', 'webhook_secret' ) ) );
		}
	}
	foreach ( array( 'http://localhost:8000', 'http://127.0.0.1:8000', 'https://pay.example/swap' ) as $url ) {
		same( $url, Swap_Pay_Settings::checked_url( $url ) );
	}
}

function test_secrets_never_come_back_to_the_browser_or_into_the_log() {
	$gateway = shop();
	$page    = ( new Swap_Pay_Gateway() )->generate_settings_html();
	foreach ( array( KEY, SECRET, 'c2VjcmV0' ) as $secret ) {
		holds( false === strpos( $page, $secret ), $secret );
	}
	holds( false !== strpos( $page, 'sspay_sec_test_AbC123_…' ), 'which key it is' );

	$gateway->next = array( array( 'POST /invoices', refused( 400, 'INVALID_INPUT', array( 'message' => 'no: ' . KEY . ' ' . SECRET . ' https://pay.example/pay/INV-0000000001.c2VhbA' ) ) ) );
	( new Swap_Pay_Gateway() )->process_payment( WC_Order::fake_create( array() )->get_id() );
	list( $order, $invoice ) = ordered();
	delivered( 'invoice.paid', $invoice, 1 );
	$gateway->invoices[ $invoice ] = in_status( $gateway->invoices[ $invoice ], 'paid' );
	delivered( 'invoice.paid', $invoice );
	$log = implode( "\n", array_merge( fake_lines( 'log' ), fake_lines( 'note', $order->get_id() ) ) );
	foreach ( array( KEY, SECRET, 'c2VjcmV0', 'c2VhbA', $order->get_order_key() ) as $secret ) {
		holds( false === strpos( $log, $secret ), "$secret in $log" );
	}
	holds( false !== strpos( $log, 'INVALID_INPUT' ) && false !== strpos( $log, 'request=r-1' ), $log );
}

function test_it_is_offered_only_when_it_is_set_up() {
	foreach ( array( array( 'enabled' => 'no' ), array( 'secret_key' => '' ), array( 'webhook_secret' => '' ), array( 'gateway_url' => '' ) ) as $missing ) {
		shop( $missing );
		holds( ! ( new Swap_Pay_Gateway() )->is_available(), json_encode( $missing ) );
	}
}

function test_woocommerce_is_told_what_the_plugin_is() {
	shop();
	same( array( 'custom_order_tables' => true, 'cart_checkout_blocks' => true ), \Automattic\WooCommerce\Utilities\FeaturesUtil::$declared );
	same( array( 'Swap_Pay_Gateway' ), apply_filters( 'woocommerce_payment_gateways', array() ) );
	$gateway = new Swap_Pay_Gateway();
	holds( $gateway->supports( 'refunds' ) && $gateway->supports( 'products' ), 'supports' );
	$registry = new class() {
		public $registered;

		public function register( $method ) {
			$this->registered = $method;
		}
	};
	do_action( 'woocommerce_blocks_payment_method_type_registration', $registry );
	$block = $registry->registered;
	same( array( 'swap_pay', true, array( 'swap-pay-blocks' ) ), array( $block->get_name(), $block->is_active(), $block->get_payment_method_script_handles() ) );
	same( array( 'title', 'description', 'button', 'supports' ), array_keys( $block->get_payment_method_data() ) );
	do_action( 'add_meta_boxes' );
	same( array( 'woocommerce_page_wc-orders', 'shop_order' ), array_keys( $GLOBALS['fake_boxes'] ) );
}
