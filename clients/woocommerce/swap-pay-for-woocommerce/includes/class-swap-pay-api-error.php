<?php
/**
 * What the gateway refuses, or that it does not answer.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * An answer that is no success. `code_name` is the gateway's stable code, or `NO_ANSWER`.
 */
final class Swap_Pay_Api_Error extends Exception {

	/**
	 * The gateway's code, such as `DUPLICATE_ORDER_ID`.
	 *
	 * @var string
	 */
	public $code_name;

	/**
	 * The HTTP status; 0 where there was no answer.
	 *
	 * @var int
	 */
	public $status;

	/**
	 * Seconds to wait, from `Retry-After`; null if none was named.
	 *
	 * @var int|null
	 */
	public $retry_after_s;

	/**
	 * The shop's own invoice that a new one conflicts with.
	 *
	 * @var string|null
	 */
	public $invoice_id;

	/**
	 * An error.
	 *
	 * @param string      $code_name     The code.
	 * @param int         $status        The HTTP status.
	 * @param string      $words         What is wrong, as the gateway says it.
	 * @param int|null    $retry_after_s Seconds to wait.
	 * @param string|null $invoice_id    The invoice that a new one conflicts with.
	 */
	public function __construct( $code_name, $status, $words, $retry_after_s = null, $invoice_id = null ) {
		parent::__construct( $code_name . ': ' . $words );
		$this->code_name     = $code_name;
		$this->status        = $status;
		$this->retry_after_s = $retry_after_s;
		$this->invoice_id    = $invoice_id;
	}

	/**
	 * Whether the same request may succeed later.
	 *
	 * @return bool
	 */
	public function may_pass() {
		return 0 === $this->status || 429 === $this->status || $this->status >= 500 || 'IDEMPOTENCY_IN_PROGRESS' === $this->code_name;
	}
}
