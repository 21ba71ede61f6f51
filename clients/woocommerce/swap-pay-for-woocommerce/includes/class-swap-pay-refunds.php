<?php
/**
 * Refunds that the shop's people ask for in WooCommerce.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * A blockchain knows no way back: money can only be sent to an address, and most customers pay from one that takes
 * nothing. So the customer is asked first. The coins are those that were paid, in proportion to the order's total.
 */
final class Swap_Pay_Refunds {

	/**
	 * Refunds that the gateway has taken, oldest first: `id`, `amount` (in the shop's currency).
	 */
	const TAKEN = '_swap_pay_refunds';

	const WAIT_S = 10;

	/**
	 * States of a refund that sends nothing.
	 */
	const DEAD = array( 'rejected', 'failed', 'cancelled' );

	/**
	 * Ask the gateway for a refund.
	 *
	 * @param int          $order_id The order.
	 * @param string|null  $amount   How much of its total; null for all.
	 * @param string       $reason   What the customer is told.
	 * @param Swap_Pay_Api $api      The API.
	 * @return bool True.
	 * @throws Swap_Pay_Refusal   If there is something to do first, or nothing left.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	public static function request( $order_id, $amount, $reason, Swap_Pay_Api $api ) {
		return Swap_Pay_Orders::locked(
			$order_id,
			self::WAIT_S,
			static function ( WC_Order $order ) use ( $amount, $reason, $api ) {
				$invoice = self::refundable( $order, $api );
				$address = Swap_Pay_Refund_Address::of( $order, $invoice );
				if ( null === $address ) {
					throw new Swap_Pay_Refusal( Swap_Pay_Refund_Address::ask( $order, $invoice ) );
				}
				return self::send( $order, $invoice, self::share_of( $order, $amount ), $reason, $address, $api );
			}
		);
	}

	/**
	 * The invoice that has the order's money.
	 *
	 * @param WC_Order     $order The order.
	 * @param Swap_Pay_Api $api   The API.
	 * @return array
	 * @throws Swap_Pay_Refusal   If there is none.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function refundable( WC_Order $order, Swap_Pay_Api $api ) {
		$id      = (string) $order->get_meta( Swap_Pay_Orders::CREDITED );
		$invoice = '' === $id ? null : $api->get( '/invoices/' . rawurlencode( $id ) );
		if ( null === $invoice || empty( $invoice['credited'] ) || ! in_array( $invoice['status'], array( 'paid', 'partially_refunded' ), true ) ) {
			throw new Swap_Pay_Refusal( __( 'Swap Pay holds no money of this order that could be sent back.', 'swap-pay-for-woocommerce' ) );
		}
		return $invoice;
	}

	/**
	 * The amount and the total that it is a part of, in the shop's currency.
	 *
	 * @param WC_Order    $order  The order.
	 * @param string|null $amount The amount.
	 * @return array Two plain decimals.
	 * @throws Swap_Pay_Refusal If it is no part of the total.
	 */
	private static function share_of( WC_Order $order, $amount ) {
		$total = Swap_Pay_Orders::total( $order );
		try {
			$part = null === $amount || '' === $amount ? $total : Swap_Pay_Amounts::plain( wc_format_decimal( $amount, wc_get_price_decimals() ) );
			Swap_Pay_Amounts::share( '1', $part, $total );
		} catch ( InvalidArgumentException $error ) {
			$part = '0';
		}
		if ( '0' === $part ) {
			throw new Swap_Pay_Refusal( __( 'The refund must be more than nothing, and no more than the order.', 'swap-pay-for-woocommerce' ) );
		}
		return array( $part, $total );
	}

	/**
	 * Send the request, once.
	 *
	 * Its idempotency key counts what the gateway has taken already. So a second press after a lost answer repeats the
	 * first one, while the next refund has a key of its own.
	 *
	 * @param WC_Order     $order   The order.
	 * @param array        $invoice The invoice.
	 * @param array        $share   The amount and the total, in the shop's currency.
	 * @param string       $reason  What the customer is told.
	 * @param string       $address Where to.
	 * @param Swap_Pay_Api $api     The API.
	 * @return bool True.
	 * @throws Swap_Pay_Refusal   If nothing is left, or the address is refused.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function send( WC_Order $order, array $invoice, array $share, $reason, $address, Swap_Pay_Api $api ) {
		$taken  = self::taken( $order );
		$number = count( $taken ) + 1;
		$mark   = sprintf( 'WooCommerce order %d, refund %d of %s %s', $order->get_id(), $number, $share[0], $order->get_currency() );
		$known  = self::known( $invoice, $api );
		foreach ( $known as $refund ) {
			if ( 0 === strpos( (string) $refund['reason'], sprintf( 'WooCommerce order %d, refund %d of ', $order->get_id(), $number ) ) ) {
				return self::adopt( $order, $refund, $taken, $mark, $share[0] );
			}
		}
		$asset = self::asset( $invoice, $api );
		$raw   = Swap_Pay_Amounts::share( Swap_Pay_Decision::counted( $invoice ), $share[0], $share[1] );
		$left  = self::left( $invoice, $known );
		if ( Swap_Pay_Amounts::compare( $raw, $left ) > 0 ) {
			$raw = $left; // The service fee is not given back by the gateway, so a full refund is what was credited.
		}
		if ( '0' === $raw ) {
			throw new Swap_Pay_Refusal( __( 'Nothing is left of this payment that could be sent back.', 'swap-pay-for-woocommerce' ) );
		}
		$body = array(
			'amount'         => Swap_Pay_Amounts::decimal( $raw, $asset ),
			'refund_address' => $address,
			'reason'         => $mark,
		);
		if ( '' !== trim( (string) $reason ) ) {
			$body['customer_visible_reason'] = wc_trim_string( trim( $reason ), 500 );
		}
		try {
			$refund = $api->post( '/invoices/' . $invoice['id'] . '/refunds', $body, self::key( $order, $number ) );
		} catch ( Swap_Pay_Api_Error $error ) {
			if ( 'INVALID_DESTINATION' === $error->code_name ) {
				Swap_Pay_Refund_Address::forget( $order );
				throw new Swap_Pay_Refusal( __( 'The gateway refuses the refund address. It was deleted. Press refund again to ask the customer for another one.', 'swap-pay-for-woocommerce' ) );
			}
			throw $error;
		}
		self::record( $order, $refund, $taken, $share[0] );
		return true;
	}

	/**
	 * Take over a refund whose answer was lost.
	 *
	 * @param WC_Order $order  The order.
	 * @param array    $refund The refund, as the gateway has it.
	 * @param array    $taken  What was taken before.
	 * @param string   $mark   What the refund would say, if it is the same.
	 * @param string   $amount How much of the order.
	 * @return bool True.
	 * @throws Swap_Pay_Refusal If it was for another amount.
	 */
	private static function adopt( WC_Order $order, array $refund, array $taken, $mark, $amount ) {
		self::record( $order, $refund, $taken, $amount );
		if ( $refund['reason'] === $mark ) {
			return true;
		}
		throw new Swap_Pay_Refusal(
			sprintf(
				/* translators: 1: id of a refund, 2: amount with coin. */
				__( 'The gateway had already taken another refund of this order, %1$s of %2$s, whose answer was lost. Nothing more was sent. Look at it there, then refund again if something is missing.', 'swap-pay-for-woocommerce' ),
				$refund['id'],
				$refund['amount_decimal'] . ' ' . $refund['asset']
			)
		);
	}

	/**
	 * Keep what the gateway has taken.
	 *
	 * @param WC_Order $order  The order.
	 * @param array    $refund The refund.
	 * @param array    $taken  What was taken before.
	 * @param string   $amount How much of the order.
	 */
	private static function record( WC_Order $order, array $refund, array $taken, $amount ) {
		$taken[] = array(
			'id'     => $refund['id'],
			'amount' => $amount,
		);
		$order->update_meta_data( self::TAKEN, $taken );
		$order->add_order_note(
			sprintf(
				/* translators: 1: id of a refund, 2: amount with coin, 3: address, 4: network. */
				__( 'Refund %1$s of %2$s to %3$s (%4$s) was requested. It is sent when an operator of the gateway has approved it.', 'swap-pay-for-woocommerce' ),
				$refund['id'],
				$refund['amount_decimal'] . ' ' . $refund['asset'],
				$refund['refund_address'],
				$refund['chain']
			)
		);
		$order->save();
	}

	/**
	 * What the gateway has taken for an order.
	 *
	 * @param WC_Order $order The order.
	 * @return array
	 */
	public static function taken( WC_Order $order ) {
		$taken = $order->get_meta( self::TAKEN );
		return is_array( $taken ) ? $taken : array();
	}

	/**
	 * The idempotency key of an order's refund.
	 *
	 * @param WC_Order $order  The order.
	 * @param int      $number Which of its refunds, from 1.
	 * @return string
	 */
	public static function key( WC_Order $order, $number ) {
		$shop = substr( hash( 'sha256', Swap_Pay_Settings::shop() . '/' . $order->get_order_key() ), 0, 20 );
		return sprintf( 'wc-refund-%s-%d-%d', $shop, $order->get_id(), $number );
	}

	/**
	 * All refunds of an invoice that the gateway knows. Returns of deposits in review are not among them: that money
	 * never was the shop's.
	 *
	 * @param array        $invoice The invoice.
	 * @param Swap_Pay_Api $api     The API.
	 * @return array
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function known( array $invoice, Swap_Pay_Api $api ) {
		$known = array();
		$query = array( 'limit' => 100 );
		do {
			$page = $api->get( '/invoices/' . $invoice['id'] . '/refunds', $query );
			foreach ( $page['data'] as $refund ) {
				if ( empty( $refund['deposit_id'] ) ) {
					$known[] = $refund;
				}
			}
			$query['cursor'] = $page['next_cursor'];
		} while ( null !== $page['next_cursor'] );
		return $known;
	}

	/**
	 * What is left of an invoice's credit, in minor units.
	 *
	 * @param array $invoice The invoice.
	 * @param array $known   Its refunds.
	 * @return string
	 */
	private static function left( array $invoice, array $known ) {
		$left = $invoice['credited_raw'];
		foreach ( $known as $refund ) {
			if ( ! in_array( $refund['status'], self::DEAD, true ) ) {
				$left = Swap_Pay_Amounts::less( $left, $refund['amount_raw'] );
			}
		}
		return $left;
	}

	/**
	 * How many places the invoice's coin has.
	 *
	 * @param array        $invoice The invoice.
	 * @param Swap_Pay_Api $api     The API.
	 * @return int
	 * @throws Swap_Pay_Refusal   If the gateway does not list it.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function asset( array $invoice, Swap_Pay_Api $api ) {
		$assets = $api->get( '/assets' );
		foreach ( $assets['data'] as $asset ) {
			if ( $asset['asset'] === $invoice['pay_in']['asset'] && $asset['chain'] === $invoice['pay_in']['chain'] ) {
				return (int) $asset['decimals'];
			}
		}
		throw new Swap_Pay_Refusal( __( 'The coin of this payment is switched off at the gateway. Refund it there.', 'swap-pay-for-woocommerce' ) );
	}
}
