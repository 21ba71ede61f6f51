<?php
/**
 * The gateway's merchant API over HTTP.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * One request a method. Each may be repeated: those that create carry an idempotency key.
 */
final class Swap_Pay_Api {

	const TIMEOUT_S = 10;

	/**
	 * How often a request is sent at most.
	 */
	const TRIES = 3;

	/**
	 * The longest pause between two tries. A customer waits meanwhile.
	 */
	const LONGEST_PAUSE_S = 3;

	const LONGEST_ANSWER = 2097152;

	const PATH = '/api/v1/merchant';

	/**
	 * The gateway's address, without a slash at its end.
	 *
	 * @var string
	 */
	private $url;

	/**
	 * The secret key.
	 *
	 * @var string
	 */
	private $key;

	/**
	 * Whether the last answer repeated an earlier one.
	 *
	 * @var bool
	 */
	public $was_replayed = false;

	/**
	 * An API of one gateway, for one key.
	 *
	 * @param string $url The gateway's address.
	 * @param string $key The secret key.
	 */
	public function __construct( $url, $key ) {
		$this->url = $url;
		$this->key = $key;
	}

	/**
	 * The API that the settings name.
	 *
	 * @return self
	 */
	public static function of_settings() {
		return new self( Swap_Pay_Settings::get( 'gateway_url' ), Swap_Pay_Settings::get( 'secret_key' ) );
	}

	/**
	 * Read something.
	 *
	 * @param string $path  Below the API's path, with its first slash.
	 * @param array  $query Parameters by name.
	 * @return array
	 * @throws Swap_Pay_Api_Error If there is no good answer.
	 */
	public function get( $path, array $query = array() ) {
		$path .= $query ? '?' . http_build_query( $query ) : '';
		return $this->request( 'GET', $path, null, null );
	}

	/**
	 * Create or change something.
	 *
	 * @param string      $path Below the API's path.
	 * @param array|null  $body What is sent, as JSON.
	 * @param string|null $once The idempotency key.
	 * @return array
	 * @throws Swap_Pay_Api_Error If there is no good answer.
	 */
	public function post( $path, $body = null, $once = null ) {
		return $this->request( 'POST', $path, $body, $once );
	}

	/**
	 * Send a request, again where that can help: no connection, too many requests, unavailable. Waits as the gateway
	 * says, where that is short.
	 *
	 * @param string      $method GET or POST.
	 * @param string      $path   Below the API's path.
	 * @param array|null  $body   What is sent.
	 * @param string|null $once   The idempotency key.
	 * @return array
	 * @throws Swap_Pay_Api_Error If there is no good answer.
	 */
	private function request( $method, $path, $body, $once ) {
		for ( $try = 1; ; $try++ ) {
			try {
				return $this->once( $method, $path, $body, $once );
			} catch ( Swap_Pay_Api_Error $error ) {
				$pause_s = null === $error->retry_after_s ? 1 : max( 1, $error->retry_after_s );
				if ( ! $error->may_pass() || $try >= self::TRIES || $pause_s > self::LONGEST_PAUSE_S ) {
					throw $error;
				}
				sleep( $pause_s );
			}
		}
	}

	/**
	 * Send a request one time.
	 *
	 * @param string      $method GET or POST.
	 * @param string      $path   Below the API's path.
	 * @param array|null  $body   What is sent.
	 * @param string|null $once   The idempotency key.
	 * @return array
	 * @throws Swap_Pay_Api_Error If there is no good answer.
	 */
	private function once( $method, $path, $body, $once ) {
		$headers = array(
			'Authorization' => 'Bearer ' . $this->key,
			'Accept'        => 'application/json',
		);
		if ( null !== $body ) {
			$headers['Content-Type'] = 'application/json';
		}
		if ( null !== $once ) {
			$headers['Idempotency-Key'] = $once;
		}
		$answer = wp_remote_request(
			$this->url . self::PATH . $path,
			array(
				'method'              => $method,
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0, // The key goes to the address that was set, and nowhere else.
				'limit_response_size' => self::LONGEST_ANSWER,
				'user-agent'          => 'Swap-Pay-WooCommerce/' . SWAP_PAY_VERSION,
				'headers'             => $headers,
				'body'                => null === $body ? null : wp_json_encode( $body ),
			)
		);
		if ( is_wp_error( $answer ) ) {
			$error = new Swap_Pay_Api_Error( 'NO_ANSWER', 0, $answer->get_error_message() );
			$this->log_error( $method, $path, $error, '' );
			throw $error;
		}
		$status             = (int) wp_remote_retrieve_response_code( $answer );
		$this->was_replayed = 'true' === self::header( $answer, 'idempotent-replayed' );
		$read               = json_decode( wp_remote_retrieve_body( $answer ), true );
		if ( $status >= 200 && $status < 300 && is_array( $read ) ) {
			return $read;
		}
		$told       = is_array( $read ) && isset( $read['error']['code'] ) ? $read['error'] : array();
		$retry      = self::header( $answer, 'retry-after' );
		$error      = new Swap_Pay_Api_Error(
			isset( $told['code'] ) ? (string) $told['code'] : 'NO_API',
			$status,
			isset( $told['message'] ) ? (string) $told['message'] : 'the answer is not one of the gateway',
			preg_match( '/^[0-9]{1,6}$/D', $retry ) ? (int) $retry : null,
			isset( $told['invoice_id'] ) ? (string) $told['invoice_id'] : null
		);
		$this->log_error( $method, $path, $error, isset( $told['request_id'] ) ? (string) $told['request_id'] : '' );
		throw $error;
	}

	/**
	 * Write what went wrong.
	 *
	 * @param string             $method     GET or POST.
	 * @param string             $path       Below the API's path.
	 * @param Swap_Pay_Api_Error $error      The error.
	 * @param string             $request_id By which the gateway's operator finds it.
	 */
	private function log_error( $method, $path, Swap_Pay_Api_Error $error, $request_id ) {
		Swap_Pay_Log::write(
			'warning',
			'request refused: ' . $error->getMessage(),
			array(
				'method'  => $method,
				'path'    => strtok( $path, '?' ),
				'status'  => $error->status,
				'request' => $request_id,
			)
		);
	}

	/**
	 * A header of an answer; empty where it has none.
	 *
	 * @param array  $answer The answer.
	 * @param string $name   The header's name.
	 * @return string
	 */
	private static function header( $answer, $name ) {
		$value = wp_remote_retrieve_header( $answer, $name );
		return is_array( $value ) ? (string) reset( $value ) : (string) $value;
	}
}
