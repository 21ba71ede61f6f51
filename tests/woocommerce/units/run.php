<?php
/**
 * Runs every test_… function of this folder and prints a line for each. The gateway is scripted here, for what a real one
 * does rarely; tests/woocommerce/test_on_the_gateway.py has the real one.
 */

define( 'SHOP_DATABASE', ':memory:' );
define( 'SHOP_URL', 'https://shop.example' );
error_reporting( E_ALL );
set_error_handler(
	static function ( $level, $words, $file, $line ) {
		throw new ErrorException( $words, 0, $level, $file, $line );
	}
);

require __DIR__ . '/../fakes/wordpress.php';
require __DIR__ . '/../fakes/woocommerce.php';
require $_SERVER['PLUGIN'] . '/swap-pay-for-woocommerce.php';
do_action( 'before_woocommerce_init' );
do_action( 'plugins_loaded' );

const SECRET = 'whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=';
const KEY    = 'sspay_sec_test_AbC123_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0';

/** Answers in the gateway's place, from a script, and remembers what was asked. */
final class Scripted_Gateway {
	public $invoices = array();
	public $refunds  = array();
	public $asked    = array();

	/** Answers that come before all others, one for each request that matches: method and path, then the answer. */
	public $next = array();

	private $by_key = array();

	public function answer( $default, $args, $url ) {
		$path          = substr( $url, strlen( 'https://pay.example/api/v1/merchant' ) );
		$request       = $args['method'] . ' ' . strtok( $path, '?' );
		$this->asked[] = array( 'request' => $request, 'args' => $args, 'body' => json_decode( (string) $args['body'], true ) );
		foreach ( $this->next as $number => $each ) {
			if ( $each[0] === $request ) {
				unset( $this->next[ $number ] );
				return is_callable( $each[1] ) ? $each[1]( $this ) : $each[1];
			}
		}
		if ( 'POST /invoices' === $request ) {
			return $this->create( $args );
		}
		if ( preg_match( '#^GET /invoices/(INV-\w+)$#', $request, $parts ) ) {
			return isset( $this->invoices[ $parts[1] ] ) ? said( 200, $this->invoices[ $parts[1] ] ) : refused( 404, 'INVOICE_NOT_FOUND' );
		}
		if ( preg_match( '#^POST /invoices/(INV-\w+)/cancel$#', $request, $parts ) ) {
			if ( 0 !== strpos( $this->invoices[ $parts[1] ]['status'], 'awaiting' ) ) {
				return refused( 409, 'INVOICE_NOT_CANCELLABLE' );
			}
			$this->invoices[ $parts[1] ]['status'] = 'cancelled';
			return said( 200, $this->invoices[ $parts[1] ] );
		}
		if ( preg_match( '#^GET /invoices/(INV-\w+)/refunds$#', $request ) ) {
			return said( 200, array( 'data' => array_reverse( array_values( $this->refunds ) ), 'next_cursor' => null ) );
		}
		if ( preg_match( '#^POST /invoices/(INV-\w+)/refunds$#', $request, $parts ) ) {
			return $this->refund( $parts[1], $args );
		}
		if ( preg_match( '#^GET /refunds/(RF-\w+)$#', $request, $parts ) ) {
			return said( 200, $this->refunds[ $parts[1] ] );
		}
		if ( 'GET /invoices' === $request ) {
			return said( 200, array( 'data' => array_slice( array_reverse( array_values( $this->invoices ) ), 0, 1 ), 'next_cursor' => null ) );
		}
		if ( 'GET /assets' === $request ) {
			return said( 200, array( 'data' => array( array( 'asset' => 'USDT', 'chain' => 'ethereum', 'decimals' => 6 ) ) ) );
		}
		throw new LogicException( "nobody answers $request" );
	}

	private function create( $args ) {
		$key = $args['headers']['Idempotency-Key'];
		if ( isset( $this->by_key[ $key ] ) ) {
			return $this->by_key[ $key ][0] === $args['body']
				? said( 201, $this->by_key[ $key ][1], array( 'idempotent-replayed' => 'true' ) )
				: refused( 422, 'IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY' );
		}
		$wanted = json_decode( $args['body'], true );
		foreach ( $this->invoices as $id => $each ) {
			if ( $each['order_id'] === $wanted['order_id'] && ! in_array( $each['status'], array( 'expired', 'cancelled' ), true ) ) {
				return refused( 409, 'DUPLICATE_ORDER_ID', array( 'invoice_id' => $id ) );
			}
		}
		$id                    = 'INV-' . str_pad( (string) ( count( $this->invoices ) + 1 ), 10, '0', STR_PAD_LEFT );
		$this->invoices[ $id ] = invoice( $id, $wanted );
		$this->by_key[ $key ]  = array( $args['body'], $this->invoices[ $id ] );
		return said( 201, $this->invoices[ $id ] );
	}

	private function refund( $invoice_id, $args ) {
		$key = $args['headers']['Idempotency-Key'];
		if ( isset( $this->by_key[ $key ] ) ) {
			return $this->by_key[ $key ][0] === $args['body'] ? said( 201, $this->by_key[ $key ][1] ) : refused( 422, 'IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY' );
		}
		$wanted               = json_decode( $args['body'], true );
		$id                   = 'RF-' . str_pad( (string) ( count( $this->refunds ) + 1 ), 10, '0', STR_PAD_LEFT );
		$this->refunds[ $id ] = array(
			'id'             => $id,
			'status'         => 'pending_approval',
			'invoice_id'     => $invoice_id,
			'deposit_id'     => null,
			'asset'          => 'USDT',
			'chain'          => 'ethereum',
			'amount_decimal' => $wanted['amount'],
			'amount_raw'     => Swap_Pay_Amounts::raw( $wanted['amount'], 6 ),
			'refund_address' => $wanted['refund_address'],
			'reason'         => $wanted['reason'],
			'txid'           => null,
			'status_reason'  => null,
		);
		$this->by_key[ $key ] = array( $args['body'], $this->refunds[ $id ] );
		return said( 201, $this->refunds[ $id ] );
	}

	/** How often a request was made. */
	public function count( $request ) {
		return count( array_filter( $this->asked, static function ( $each ) use ( $request ) {
			return $request === $each['request'];
		} ) );
	}
}

function said( $status, $body, $headers = array() ) {
	return array( 'response' => array( 'code' => $status ), 'headers' => $headers, 'body' => json_encode( $body ) );
}

function refused( $status, $code, $more = array(), $headers = array() ) {
	return said( $status, array( 'error' => $more + array( 'code' => $code, 'message' => 'no', 'request_id' => 'r-1' ) ), $headers );
}

/** An invoice as the gateway shows it. */
function invoice( $id, array $wanted = array() ) {
	return array(
		'id'                      => $id,
		'mode'                    => 'test',
		'status'                  => 'awaiting_choice',
		'needs_review'            => false,
		'review'                  => null,
		'price'                   => array(
			'amount_decimal' => isset( $wanted['amount'] ) ? $wanted['amount'] : '49.90',
			'currency'       => isset( $wanted['currency'] ) ? $wanted['currency'] : 'EUR',
		),
		'pay_in'                  => null,
		'service_fee_raw'         => null,
		'service_fee_charged_raw' => null,
		'credited'                => false,
		'credited_raw'            => null,
		'deposits'                => array(),
		'order_id'                => isset( $wanted['order_id'] ) ? $wanted['order_id'] : null,
		'metadata'                => isset( $wanted['metadata'] ) ? $wanted['metadata'] : array(),
		'payment_url'             => "https://pay.example/pay/$id.c2VhbA",
	);
}

/** The same invoice in another status, with what belongs to it. */
function in_status( array $invoice, $status ) {
	$invoice['status'] = $status;
	if ( ! in_array( $status, array( 'awaiting_choice', 'expired', 'cancelled' ), true ) ) {
		$invoice['pay_in']          = array( 'asset' => 'USDT', 'chain' => 'ethereum', 'address' => '0x7', 'amount_decimal' => '54.239273', 'amount_raw' => '54239273' );
		$invoice['service_fee_raw'] = '433900';
	}
	if ( in_array( $status, array( 'confirming', 'paid', 'partially_refunded', 'refunded' ), true ) ) {
		$invoice['deposits'] = array( array( 'txid' => '0xfeed', 'status' => 'seen', 'verdict' => 'exact' ) );
	}
	if ( in_array( $status, array( 'paid', 'partially_refunded', 'refunded' ), true ) ) {
		$invoice['credited']                = true;
		$invoice['credited_raw']            = '53805373';
		$invoice['service_fee_charged_raw'] = '433900';
	}
	return $invoice;
}

/** A shop whose settings are complete, and its gateway. */
function shop( array $settings = array() ) {
	global $wpdb;
	$wpdb->query( 'DELETE FROM options' );
	$wpdb->query( 'DELETE FROM orders' );
	$wpdb->query( 'DELETE FROM order_lines' );
	$stored = $settings + array( 'enabled' => 'yes', 'gateway_url' => 'https://pay.example', 'secret_key' => KEY, 'webhook_secret' => SECRET );
	update_option( 'woocommerce_swap_pay_settings', $stored );
	$gateway = new Scripted_Gateway();
	remove_all_filters( 'pre_http_request' );
	add_filter( 'pre_http_request', array( $gateway, 'answer' ), 10, 3 );
	$_POST                    = array();
	WC_Admin_Settings::$shown = array();
	return $gateway;
}

/** A new order for which the customer has pressed the button, and its invoice's id. */
function ordered( array $data = array() ) {
	$order = WC_Order::fake_create( $data );
	$paid  = ( new Swap_Pay_Gateway() )->process_payment( $order->get_id() );
	same( 'success', $paid['result'] );
	$order = wc_get_order( $order->get_id() );
	return array( $order, $order->get_meta( Swap_Pay_Orders::CURRENT ) );
}

/** Deliver an event, signed as the gateway does, and return what the shop answers. */
function delivered( $type, $id, $now = null ) {
	$field = 0 === strpos( $type, 'refund' ) ? 'refund_id' : 'invoice_id';
	$body  = json_encode( array( 'event_id' => 'e', 'type' => $type, 'merchant_id' => 'MCH-0123456789', 'mode' => 'test', 'data' => array( $field => $id, 'status' => 'paid' ) ) );
	$now   = null === $now ? time() : $now;
	return Swap_Pay_Webhook::answer( "t=$now,v1=" . hash_hmac( 'sha256', "$now.$body", SECRET ), $body, time() );
}

function same( $expected, $found ) {
	if ( $expected !== $found ) {
		throw new Exception( 'expected ' . var_export( $expected, true ) . ', found ' . var_export( $found, true ) );
	}
}

function holds( $condition, $what ) {
	if ( ! $condition ) {
		throw new Exception( "not so: $what" );
	}
}

function refusal( callable $work, $class = 'Swap_Pay_Refusal' ) {
	try {
		$work();
	} catch ( Exception $error ) {
		holds( $error instanceof $class, get_class( $error ) . ': ' . $error->getMessage() );
		return $error->getMessage();
	}
	throw new Exception( 'nothing was refused' );
}

foreach ( glob( __DIR__ . '/*.php' ) as $file ) {
	if ( __FILE__ !== $file ) {
		require $file;
	}
}
ob_start(); // Code under test sends headers.
$failed = 0;
foreach ( get_defined_functions()['user'] as $name ) {
	if ( 0 === strpos( $name, 'test_' ) ) {
		try {
			$name();
			echo "ok $name\n";
		} catch ( Throwable $error ) {
			++$failed;
			echo "not ok $name: {$error->getMessage()}\n{$error->getTraceAsString()}\n";
		}
	}
}
echo 'PHP ', PHP_VERSION, ": $failed failed\n";
exit( $failed ? 1 : 0 );
