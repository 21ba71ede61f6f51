<?php
/**
 * A double of the part of WordPress that the plug-in uses, held to the public reference of WordPress's functions: hooks,
 * options, escaping, HTTP, nonces. Real WordPress runs the plug-in in tests/woocommerce/test_on_wordpress.py.
 *
 * What is stored is in one SQLite file, SHOP_DATABASE, so that it outlives a request as it does in a shop.
 */

define( 'ABSPATH', '/shop/' );
define( 'HOUR_IN_SECONDS', 3600 );

/** The database's options table, with the SQL that both MySQL and SQLite have. */
class Fake_Wpdb {
	public $options = 'options';
	private $pdo;

	public function __construct( $file ) {
		$this->pdo = new PDO( 'sqlite:' . $file );
		$this->pdo->setAttribute( PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION );
		$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS options (option_name TEXT PRIMARY KEY, option_value TEXT, autoload TEXT)' );
		$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, data TEXT)' );
		$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS order_lines (id INTEGER PRIMARY KEY, kind TEXT, owner INTEGER, words TEXT)' );
	}

	public function prepare( $query, ...$values ) {
		$values = 1 === count( $values ) && is_array( $values[0] ) ? $values[0] : $values;
		return preg_replace_callback(
			'/%([sd])/',
			function ( $kind ) use ( &$values ) {
				$value = array_shift( $values );
				return 'd' === $kind[1] ? (string) (int) $value : $this->pdo->quote( (string) $value );
			},
			$query
		);
	}

	public function query( $query ) {
		return $this->pdo->exec( str_replace( 'INSERT IGNORE', 'INSERT OR IGNORE', $query ) );
	}

	public function get_var( $query ) {
		$found = $this->pdo->query( $query )->fetchColumn();
		return false === $found ? null : $found;
	}

	public function get_col( $query ) {
		return $this->pdo->query( $query )->fetchAll( PDO::FETCH_COLUMN );
	}

	public function esc_like( $text ) {
		return addcslashes( $text, '_%\\' );
	}
}

class WP_Error {
	private $code;
	private $message;

	public function __construct( $code = '', $message = '' ) {
		$this->code    = $code;
		$this->message = $message;
	}

	public function get_error_message() {
		return $this->message;
	}

	public function get_error_code() {
		return $this->code;
	}
}

/** Ends a request as `exit` does, where a test goes on: thrown by wp_safe_redirect() and wp_die(). */
class Fake_Exit extends Error {
}

$GLOBALS['wpdb']       = new Fake_Wpdb( SHOP_DATABASE );
$GLOBALS['fake_hooks'] = array();
$GLOBALS['fake_done']  = array();
$GLOBALS['fake_can']   = true;

// Hooks.

function add_filter( $name, $callback, $priority = 10, $accepted = 1 ) {
	$GLOBALS['fake_hooks'][ $name ][ $priority ][] = array( $callback, $accepted );
	return true;
}

function add_action( $name, $callback, $priority = 10, $accepted = 1 ) {
	return add_filter( $name, $callback, $priority, $accepted );
}

function remove_all_filters( $name ) {
	unset( $GLOBALS['fake_hooks'][ $name ] );
}

function has_action( $name ) {
	return isset( $GLOBALS['fake_hooks'][ $name ] );
}

function apply_filters( $name, $value, ...$more ) {
	$hooks = isset( $GLOBALS['fake_hooks'][ $name ] ) ? $GLOBALS['fake_hooks'][ $name ] : array();
	ksort( $hooks );
	foreach ( $hooks as $callbacks ) {
		foreach ( $callbacks as $each ) {
			$value = call_user_func_array( $each[0], array_slice( array_merge( array( $value ), $more ), 0, $each[1] ) );
		}
	}
	return $value;
}

function do_action( $name, ...$values ) {
	$GLOBALS['fake_done'][] = $name;
	$hooks                  = isset( $GLOBALS['fake_hooks'][ $name ] ) ? $GLOBALS['fake_hooks'][ $name ] : array();
	ksort( $hooks );
	foreach ( $hooks as $callbacks ) {
		foreach ( $callbacks as $each ) {
			call_user_func_array( $each[0], array_slice( $values, 0, $each[1] ) );
		}
	}
}

function register_deactivation_hook( $file, $callback ) {
	add_action( 'deactivate_' . basename( $file ), $callback );
}

// Options.

function get_option( $name, $default = false ) {
	global $wpdb;
	$stored = $wpdb->get_var( $wpdb->prepare( 'SELECT option_value FROM options WHERE option_name = %s', $name ) );
	return null === $stored ? $default : unserialize( $stored );
}

function update_option( $name, $value, $autoload = null ) {
	global $wpdb;
	$is_new = get_option( $name, null ) !== $value;
	$wpdb->query( $wpdb->prepare( 'INSERT OR REPLACE INTO options (option_name, option_value) VALUES (%s, %s)', $name, serialize( $value ) ) );
	return $is_new;
}

function delete_option( $name ) {
	global $wpdb;
	return 1 === $wpdb->query( $wpdb->prepare( 'DELETE FROM options WHERE option_name = %s', $name ) );
}

function wp_next_scheduled( $hook ) {
	return get_option( 'fake_cron_' . $hook );
}

function wp_schedule_event( $time, $every, $hook ) {
	return update_option( 'fake_cron_' . $hook, $time );
}

function wp_clear_scheduled_hook( $hook ) {
	return delete_option( 'fake_cron_' . $hook );
}

// Words and escaping.

function __( $text, $domain = 'default' ) {
	return $text;
}

function esc_html( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES, 'UTF-8', false );
}

function esc_attr( $text ) {
	return htmlspecialchars( (string) $text, ENT_QUOTES, 'UTF-8', false );
}

function esc_html__( $text, $domain = 'default' ) {
	return esc_html( __( $text, $domain ) );
}

function esc_url_raw( $url, $protocols = null ) {
	$url    = preg_replace( '/[^A-Za-z0-9\-~+_.?#=!&;,\/:%@$|*\'()\[\]]/', '', trim( $url ) );
	$scheme = parse_url( $url, PHP_URL_SCHEME );
	return in_array( $scheme, null === $protocols ? array( 'http', 'https' ) : $protocols, true ) ? $url : '';
}

function esc_url( $url ) {
	return str_replace( array( '&', "'" ), array( '&#038;', '&#039;' ), esc_url_raw( $url ) );
}

function sanitize_text_field( $text ) {
	return trim( preg_replace( '/[\r\n\t ]+/', ' ', strip_tags( (string) $text ) ) );
}

function wp_kses_post( $html ) {
	return $html;
}

function wp_unslash( $value ) {
	return is_string( $value ) ? stripslashes( $value ) : $value;
}

function absint( $value ) {
	return abs( (int) $value );
}

function wp_parse_url( $url ) {
	return parse_url( $url );
}

function wp_json_encode( $value ) {
	return json_encode( $value );
}

function untrailingslashit( $text ) {
	return rtrim( $text, '/\\' );
}

function add_query_arg( $args, $url ) {
	return $url . ( false === strpos( $url, '?' ) ? '?' : '&' ) . http_build_query( $args );
}

// Where things are.

function home_url( $path = '' ) {
	return SHOP_URL . $path;
}

function admin_url( $path = '' ) {
	return SHOP_URL . '/wp-admin/' . $path;
}

function plugins_url( $path, $file ) {
	return SHOP_URL . '/wp-content/plugins/' . basename( dirname( $file ) ) . '/' . $path;
}

function plugin_basename( $file ) {
	return basename( dirname( $file ) ) . '/' . basename( $file );
}

function load_plugin_textdomain( $domain, $deprecated, $path ) {
	return false;
}

function get_bloginfo( $what ) {
	return 'Tea & Co';
}

function get_language_attributes() {
	return 'lang="en-US"';
}

function get_query_var( $name ) {
	return isset( $GLOBALS['fake_query'][ $name ] ) ? $GLOBALS['fake_query'][ $name ] : '';
}

function is_multisite() {
	return false;
}

function wp_cache_supports( $feature ) {
	return false;
}

// Secrets and rights.

function wp_salt( $scheme = 'auth' ) {
	return 'salt of this shop: ' . $scheme;
}

function wp_generate_password( $length = 12, $special = true ) {
	return substr( bin2hex( random_bytes( $length ) ), 0, $length );
}

function wp_create_nonce( $action ) {
	return substr( hash_hmac( 'sha256', 'nonce ' . $action, wp_salt() ), 0, 10 );
}

function wp_verify_nonce( $nonce, $action ) {
	return hash_equals( wp_create_nonce( $action ), (string) $nonce ) ? 1 : false;
}

function wp_nonce_field( $action, $name = '_wpnonce', $referer = true, $echo = true ) {
	$field = '<input type="hidden" name="' . $name . '" value="' . wp_create_nonce( $action ) . '">';
	if ( $echo ) {
		echo $field;
	}
	return $field;
}

function wp_nonce_url( $url, $action ) {
	return add_query_arg( array( '_wpnonce' => wp_create_nonce( $action ) ), $url );
}

function check_admin_referer( $action ) {
	if ( ! wp_verify_nonce( isset( $_GET['_wpnonce'] ) ? $_GET['_wpnonce'] : '', $action ) ) {
		wp_die( 'nonce' );
	}
}

function current_user_can( $right ) {
	return $GLOBALS['fake_can'];
}

// Answers.

function status_header( $status ) {
	http_response_code( $status );
}

function nocache_headers() {
	header( 'Cache-Control: no-cache, must-revalidate, max-age=0, no-store, private' );
}

function wp_safe_redirect( $url, $status = 302 ) {
	header( 'Location: ' . $url, true, $status );
	$GLOBALS['fake_redirect'] = $url;
	throw new Fake_Exit( $url );
}

function wp_die( $words = '' ) {
	http_response_code( 403 );
	throw new Fake_Exit( $words );
}

function wp_register_script( $handle, $url, $needs, $version, $in_footer ) {
	$GLOBALS['fake_scripts'][ $handle ] = array( $url, $needs );
}

function add_meta_box( $id, $title, $callback, $screen, $context = 'advanced' ) {
	$GLOBALS['fake_boxes'][ $screen ] = $callback;
}

// HTTP: over curl, as WordPress does it. The filter `pre_http_request` answers in its place.

function is_wp_error( $thing ) {
	return $thing instanceof WP_Error;
}

function wp_remote_request( $url, $args = array() ) {
	$answer = apply_filters( 'pre_http_request', false, $args, $url );
	if ( false !== $answer ) {
		return $answer;
	}
	$headers = array();
	$lines   = array();
	foreach ( $args['headers'] as $name => $value ) {
		$lines[] = $name . ': ' . $value;
	}
	$handle = curl_init( $url );
	curl_setopt_array(
		$handle,
		array(
			CURLOPT_CUSTOMREQUEST  => $args['method'],
			CURLOPT_HTTPHEADER     => array_merge( $lines, array( 'Expect:' ) ),
			CURLOPT_USERAGENT      => $args['user-agent'],
			CURLOPT_TIMEOUT        => 60, // A busy machine; what the plug-in asks for is seen in the unit tests.
			CURLOPT_FOLLOWLOCATION => $args['redirection'] > 0,
			CURLOPT_RETURNTRANSFER => true,
			CURLOPT_HEADERFUNCTION => static function ( $handle, $line ) use ( &$headers ) {
				$parts = explode( ':', $line, 2 );
				if ( 2 === count( $parts ) ) {
					$headers[ strtolower( trim( $parts[0] ) ) ] = trim( $parts[1] );
				}
				return strlen( $line );
			},
		)
	);
	if ( 'POST' === $args['method'] ) {
		curl_setopt( $handle, CURLOPT_POSTFIELDS, null === $args['body'] ? '' : $args['body'] );
	}
	$body = curl_exec( $handle );
	if ( false === $body ) {
		return new WP_Error( 'http_request_failed', curl_error( $handle ) );
	}
	return array(
		'headers'  => $headers,
		'body'     => $body,
		'response' => array( 'code' => curl_getinfo( $handle, CURLINFO_RESPONSE_CODE ) ),
	);
}

function wp_remote_retrieve_response_code( $answer ) {
	return $answer['response']['code'];
}

function wp_remote_retrieve_body( $answer ) {
	return $answer['body'];
}

function wp_remote_retrieve_header( $answer, $name ) {
	return isset( $answer['headers'][ $name ] ) ? $answer['headers'][ $name ] : '';
}
