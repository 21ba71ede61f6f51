<?php
/**
 * Sentences for the shop's people: notes of orders and names of statuses.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Notes by the key that Swap_Pay_Decision gives.
 */
final class Swap_Pay_Words {

	/**
	 * The note of a decision.
	 *
	 * @param string $key     The key.
	 * @param array  $invoice The invoice, as the gateway shows it.
	 * @return string
	 */
	public static function note( $key, array $invoice ) {
		$sentence = self::sentence( $key );
		$words    = sprintf( $sentence, $invoice['id'] );
		$facts    = array();
		if ( isset( $invoice['pay_in'] ) ) {
			$facts[] = sprintf(
				/* translators: 1: amount, 2: coin, 3: network. */
				__( 'Asked for: %1$s %2$s on %3$s.', 'swap-pay-for-woocommerce' ),
				$invoice['pay_in']['amount_decimal'],
				$invoice['pay_in']['asset'],
				$invoice['pay_in']['chain']
			);
		}
		foreach ( self::transactions( $invoice ) as $txid ) {
			/* translators: %s: id of a transaction on a blockchain. */
			$facts[] = sprintf( __( 'Transaction: %s.', 'swap-pay-for-woocommerce' ), $txid );
		}
		$is_test = 'test' === $invoice['mode'] ? __( 'Test mode: this is no real money.', 'swap-pay-for-woocommerce' ) : '';
		return trim( implode( ' ', array_filter( array_merge( array( $words ), $facts, array( $is_test ) ) ) ) );
	}

	/**
	 * The sentence of a note, with the place of the invoice's id.
	 *
	 * @param string $key The key.
	 * @return string
	 */
	private static function sentence( $key ) {
		switch ( $key ) {
			case 'confirming':
				/* translators: %s: id of an invoice, as in all notes. */
				return __( 'Swap Pay sees the payment of invoice %s and waits for confirmations.', 'swap-pay-for-woocommerce' );
			case 'confirming_closed':
				/* translators: %s: id of an invoice. */
				return __( 'Swap Pay sees a payment of invoice %s, although this order no longer waits for one. Nothing was changed.', 'swap-pay-for-woocommerce' );
			case 'paid':
				/* translators: %s: id of an invoice. */
				return __( 'Paid with Swap Pay, invoice %s.', 'swap-pay-for-woocommerce' );
			case 'paid_other_method':
				/* translators: %s: id of an invoice. */
				return __( 'Paid with Swap Pay, invoice %s, although another payment method had been chosen since. The order was changed to Swap Pay.', 'swap-pay-for-woocommerce' );
			case 'paid_cancelled':
				/* translators: %s: id of an invoice. */
				return __( 'Paid with Swap Pay, invoice %s, after the order had been cancelled. It was opened again: check the stock.', 'swap-pay-for-woocommerce' );
			case 'paid_cancelled_hold':
				/* translators: %s: id of an invoice. */
				return __( 'Swap Pay has the money for invoice %s, but the order had been cancelled. Decide: send the goods, or refund the customer.', 'swap-pay-for-woocommerce' );
			case 'mismatch':
				/* translators: %s: id of an invoice. */
				return __( 'Swap Pay has the money for invoice %s, but its price is not what the order costs now. Decide: send the goods, or refund the customer.', 'swap-pay-for-woocommerce' );
			case 'short':
				/* translators: %s: id of an invoice. */
				return __( 'Swap Pay has credited invoice %s, but less came than was asked for. Decide whether to send the goods.', 'swap-pay-for-woocommerce' );
			case 'refunded_before':
				/* translators: %s: id of an invoice. */
				return __( 'Invoice %s was paid and has been refunded since, before this shop heard of it.', 'swap-pay-for-woocommerce' );
			case 'second':
				/* translators: %s: id of an invoice. */
				return __( 'Swap Pay has the money for invoice %s, but this order was paid or ended before. The customer may have paid twice: consider a refund.', 'swap-pay-for-woocommerce' );
			case 'extra':
				/* translators: %s: id of an invoice. */
				return __( 'More money came for invoice %s, which is already paid. An operator of the gateway looks into it.', 'swap-pay-for-woocommerce' );
			case 'review':
				/* translators: %s: id of an invoice. */
				return __( 'What came for invoice %s is not the exact amount in time. An operator of the gateway looks into it; this order goes on when that is decided.', 'swap-pay-for-woocommerce' );
			case 'closed':
				/* translators: %s: id of an invoice. */
				return __( 'The case of invoice %s was closed without a payment. Decide what to do with this order.', 'swap-pay-for-woocommerce' );
			case 'expired':
				/* translators: %s: id of an invoice. */
				return __( 'Invoice %s was not paid in time.', 'swap-pay-for-woocommerce' );
			case 'cancelled':
				/* translators: %s: id of an invoice. */
				return __( 'Invoice %s was cancelled.', 'swap-pay-for-woocommerce' );
			case 'reversed':
				/* translators: %s: id of an invoice. */
				return __( 'ATTENTION: the blockchain has removed the payment of invoice %s after it had counted as final. The money is gone again: stop the delivery if you can.', 'swap-pay-for-woocommerce' );
			case 'restored':
				/* translators: %s: id of an invoice. */
				return __( 'The payment of invoice %s is on the blockchain again, and final.', 'swap-pay-for-woocommerce' );
			case 'partially_refunded':
				/* translators: %s: id of an invoice. */
				return __( 'A part of invoice %s has been sent back.', 'swap-pay-for-woocommerce' );
			case 'refunded':
				/* translators: %s: id of an invoice. */
				return __( 'Invoice %s has been sent back in full.', 'swap-pay-for-woocommerce' );
			case 'other_price':
				/* translators: %s: id of an invoice. */
				return __( 'Invoice %s was cancelled, since the order costs something else now.', 'swap-pay-for-woocommerce' );
		}
		/* translators: %s: id of an invoice. */
		return __( 'Invoice %s has a status that this version of the plug-in does not know. Look at it in the gateway, and update the plug-in.', 'swap-pay-for-woocommerce' );
	}

	/**
	 * The name of an invoice's status.
	 *
	 * @param string $status The status.
	 * @return string
	 */
	public static function status( $status ) {
		$names = array(
			'awaiting_choice'    => __( 'Waits for the customer to choose a coin', 'swap-pay-for-woocommerce' ),
			'awaiting_deposit'   => __( 'Waits for the payment', 'swap-pay-for-woocommerce' ),
			'confirming'         => __( 'Waits for confirmations', 'swap-pay-for-woocommerce' ),
			'paid'               => __( 'Paid', 'swap-pay-for-woocommerce' ),
			'partially_refunded' => __( 'Partially refunded', 'swap-pay-for-woocommerce' ),
			'refunded'           => __( 'Refunded', 'swap-pay-for-woocommerce' ),
			'expired'            => __( 'Expired', 'swap-pay-for-woocommerce' ),
			'cancelled'          => __( 'Cancelled', 'swap-pay-for-woocommerce' ),
			'manual_review'      => __( 'In review', 'swap-pay-for-woocommerce' ),
			'closed'             => __( 'Closed', 'swap-pay-for-woocommerce' ),
		);
		return isset( $names[ $status ] ) ? $names[ $status ] : $status;
	}

	/**
	 * The note about a refund's new status.
	 *
	 * @param array $refund The refund, as the gateway shows it.
	 * @return string|null
	 */
	public static function refund_note( array $refund ) {
		$amount = $refund['amount_decimal'] . ' ' . $refund['asset'];
		switch ( $refund['status'] ) {
			case 'approved':
				/* translators: 1: id of a refund, 2: amount with coin. */
				$words = sprintf( __( 'Refund %1$s of %2$s was approved at the gateway.', 'swap-pay-for-woocommerce' ), $refund['id'], $amount );
				break;
			case 'submitted':
				/* translators: 1: id of a refund, 2: amount with coin. */
				$words = sprintf( __( 'Refund %1$s of %2$s is on its way.', 'swap-pay-for-woocommerce' ), $refund['id'], $amount );
				break;
			case 'confirmed':
				/* translators: 1: id of a refund, 2: amount with coin. */
				$words = sprintf( __( 'Refund %1$s of %2$s has arrived.', 'swap-pay-for-woocommerce' ), $refund['id'], $amount );
				break;
			case 'rejected':
			case 'failed':
			case 'cancelled':
				$words = sprintf(
					/* translators: 1: id of a refund, 2: amount with coin. */
					__( 'ATTENTION: refund %1$s of %2$s was not sent. If it stands among the refunds of this order, delete it there, and refund again.', 'swap-pay-for-woocommerce' ),
					$refund['id'],
					$amount
				);
				break;
			default:
				return null;
		}
		if ( ! empty( $refund['txid'] ) ) {
			/* translators: %s: id of a transaction on a blockchain. */
			$words .= ' ' . sprintf( __( 'Transaction: %s.', 'swap-pay-for-woocommerce' ), $refund['txid'] );
		}
		if ( ! empty( $refund['status_reason'] ) ) {
			/* translators: %s: a reason, in the words of the gateway or its operator. */
			$words .= ' ' . sprintf( __( 'Reason: %s', 'swap-pay-for-woocommerce' ), $refund['status_reason'] );
		}
		return $words;
	}

	/**
	 * The transactions that were seen for an invoice, at most five.
	 *
	 * @param array $invoice The invoice.
	 * @return string[]
	 */
	public static function transactions( array $invoice ) {
		$txids = array();
		foreach ( isset( $invoice['deposits'] ) ? $invoice['deposits'] : array() as $deposit ) {
			if ( ! in_array( $deposit['status'], array( 'orphaned', 'replaced', 'dropped' ), true ) && 'dust' !== $deposit['verdict'] ) {
				$txids[] = $deposit['txid'];
			}
		}
		return array_slice( array_values( array_unique( $txids ) ), 0, 5 );
	}
}
