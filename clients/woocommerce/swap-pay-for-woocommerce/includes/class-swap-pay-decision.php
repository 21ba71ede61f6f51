<?php
/**
 * What the state of an invoice means for its order.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * The rules, as a function of values: no order is changed here, nothing is asked.
 *
 * They look at what the gateway says now, never at the kind of event that woke the shop: so it is the same whether an
 * event comes once, twice, late or after a newer one.
 */
final class Swap_Pay_Decision {

	/**
	 * The status that the order gets; null to leave it.
	 *
	 * @var string|null
	 */
	public $status = null;

	/**
	 * Whether the order is paid now.
	 *
	 * @var bool
	 */
	public $completes = false;

	/**
	 * Which note the order gets, by its key in Swap_Pay_Words; null for none.
	 *
	 * @var string|null
	 */
	public $note = null;

	/**
	 * Statuses of orders that wait for a payment.
	 */
	const OPEN = array( 'pending', 'on-hold', 'failed' );

	/**
	 * Statuses of invoices whose money is the shop's.
	 */
	const CREDITED = array( 'paid', 'partially_refunded', 'refunded' );

	/**
	 * Decide.
	 *
	 * @param array $order   What is known of the order: `status`; `is_paid`; `is_ours`, whether its payment method is
	 *                       Swap Pay; `total` and `currency`; `current`, the id of its newest invoice; `paid_by`, the
	 *                       id of the invoice whose money was counted for it, or an empty string; `last`, what was done
	 *                       last for this invoice: its status then, a slash, and the note.
	 * @param array $invoice The invoice, as the gateway shows it now.
	 * @param array $rules   The shop's settings: `cases` and `late`, each `hold` or the other choice.
	 * @return self
	 */
	public static function make( array $order, array $invoice, array $rules ) {
		$status = $invoice['status'];
		if ( in_array( $status, self::CREDITED, true ) ) {
			return self::credited( $order, $invoice, $rules );
		}
		$waits = $order['is_ours'] && ! $order['is_paid'] && in_array( $order['status'], self::OPEN, true );
		switch ( $status ) {
			case 'confirming':
				return new self( $waits ? 'on-hold' : null, $waits ? 'confirming' : 'confirming_closed' );
			case 'manual_review':
				return new self( $waits && 'hold' === $rules['cases'] ? 'on-hold' : null, 'review' );
			case 'closed':
				return new self( null, 'closed' );
			case 'expired':
			case 'cancelled':
				$ends = $waits && 'failed' !== $order['status'] && $order['current'] === $invoice['id'];
				return new self( $ends ? 'cancelled' : null, $ends ? $status : null );
			case 'awaiting_deposit':
			case 'awaiting_choice':
				return new self( null, null );
		}
		return new self( null, 'unknown' ); // Of a newer gateway: a person looks.
	}

	/**
	 * The money of an invoice has come.
	 *
	 * @param array $order   As in `make`.
	 * @param array $invoice As in `make`.
	 * @param array $rules   As in `make`.
	 * @return self
	 */
	private static function credited( array $order, array $invoice, array $rules ) {
		$is_open = ! $order['is_paid'] && in_array( $order['status'], self::OPEN, true );
		if ( empty( $invoice['credited'] ) ) {
			$ships = $order['paid_by'] === $invoice['id'] && in_array( $order['status'], array( 'processing', 'on-hold' ), true );
			return new self( $is_open || $ships ? 'on-hold' : null, 'reversed' );
		}
		if ( $order['paid_by'] === $invoice['id'] ) {
			return new self( null, self::later( $order, $invoice ) );
		}
		if ( ! self::is_price_of( $order, $invoice ) ) {
			return new self( $is_open ? 'on-hold' : null, 'mismatch' );
		}
		if ( self::is_short( $invoice ) ) {
			return new self( $is_open ? 'on-hold' : null, 'short' );
		}
		if ( 'paid' !== $invoice['status'] ) {
			return new self( $is_open ? 'on-hold' : null, 'refunded_before' );
		}
		if ( $is_open ) {
			return new self( null, $order['is_ours'] ? 'paid' : 'paid_other_method', true );
		}
		if ( 'cancelled' === $order['status'] && ! $order['is_paid'] ) {
			return 'complete' === $rules['late']
				? new self( null, 'paid_cancelled', true )
				: new self( 'on-hold', 'paid_cancelled_hold' );
		}
		return new self( null, 'second' );
	}

	/**
	 * Whether the invoice asked for what the order costs.
	 *
	 * @param array $order   As in `make`.
	 * @param array $invoice As in `make`.
	 * @return bool
	 */
	public static function is_price_of( array $order, array $invoice ) {
		$price = isset( $invoice['price'] ) ? $invoice['price'] : null;
		return is_array( $price )
			&& $order['currency'] === $price['currency']
			&& Swap_Pay_Amounts::same( $order['total'], $price['amount_decimal'] );
	}

	/**
	 * Whether an operator has credited less than was asked for. What the merchant's own tolerance lets through is not
	 * short: it needed nobody's decision.
	 *
	 * @param array $invoice As in `make`.
	 * @return bool
	 */
	private static function is_short( array $invoice ) {
		if ( ! isset( $invoice['review']['outcome'] ) || 'credited' !== $invoice['review']['outcome'] ) {
			return false;
		}
		return Swap_Pay_Amounts::compare( self::counted( $invoice ), $invoice['pay_in']['amount_raw'] ) < 0;
	}

	/**
	 * What counts of the transfers, in minor units: the credit and the service fee that was taken.
	 *
	 * @param array $invoice A credited invoice.
	 * @return string
	 */
	public static function counted( array $invoice ) {
		$fee = isset( $invoice['service_fee_charged_raw'] ) ? $invoice['service_fee_charged_raw'] : $invoice['service_fee_raw'];
		return Swap_Pay_Amounts::add( $invoice['credited_raw'], $fee );
	}

	/**
	 * What has happened to an invoice since it paid its order.
	 *
	 * @param array $order   As in `make`.
	 * @param array $invoice As in `make`.
	 * @return string|null
	 */
	private static function later( array $order, array $invoice ) {
		if ( '/reversed' === substr( $order['last'], -9 ) ) {
			return 'restored';
		}
		if ( 'paid' !== $invoice['status'] ) {
			return $invoice['status'];
		}
		return empty( $invoice['needs_review'] ) ? null : 'extra';
	}

	/**
	 * A decision.
	 *
	 * @param string|null $status    The status that the order gets.
	 * @param string|null $note      The note that it gets.
	 * @param bool        $completes Whether it is paid.
	 */
	private function __construct( $status, $note, $completes = false ) {
		$this->status    = $status;
		$this->note      = $note;
		$this->completes = $completes;
	}
}
