<?php
/**
 * One invoice for each order.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Makes invoices, finds them again, and ends those that must not be paid any more.
 */
final class Swap_Pay_Invoices {

	/**
	 * How often a new invoice is tried where an earlier one is in the way.
	 */
	const TRIES = 3;

	/**
	 * Seconds to wait for another process that works on the order.
	 */
	const WAIT_S = 10;

	/**
	 * Where to send the customer to pay an order. Pressed twice, or after coming back, it is the same invoice.
	 *
	 * @param int          $order_id The order.
	 * @param Swap_Pay_Api $api      The API.
	 * @return string The invoice's payment page; the shop's own page where the order is paid already.
	 * @throws Swap_Pay_Refusal   If it can't be paid.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	public static function page_for( $order_id, Swap_Pay_Api $api ) {
		return Swap_Pay_Orders::locked(
			$order_id,
			self::WAIT_S,
			static function ( WC_Order $order ) use ( $api ) {
				$invoice = self::current( $order, $api );
				if ( null === $invoice ) {
					$invoice = self::create( $order, $api );
				}
				Swap_Pay_Orders::follow( $order, $invoice );
				return self::is_settled( $invoice ) ? $order->get_checkout_order_received_url() : self::checked_page( $invoice );
			}
		);
	}

	/**
	 * The order's newest invoice, if it is the one to pay; null if a new one is needed.
	 *
	 * @param WC_Order     $order The order.
	 * @param Swap_Pay_Api $api   The API.
	 * @return array|null
	 * @throws Swap_Pay_Refusal   If it is being paid at another price, or was closed.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function current( WC_Order $order, Swap_Pay_Api $api ) {
		$id = (string) $order->get_meta( Swap_Pay_Orders::CURRENT );
		if ( '' === $id ) {
			return null;
		}
		try {
			$invoice = $api->get( '/invoices/' . rawurlencode( $id ) );
		} catch ( Swap_Pay_Api_Error $error ) {
			if ( 'INVOICE_NOT_FOUND' === $error->code_name ) {
				return null; // The key is one of the other mode or of another merchant now.
			}
			throw $error;
		}
		return self::usable( $order, $invoice, $api ) ? $invoice : null;
	}

	/**
	 * Whether an invoice is the one to pay the order with. One with another price is cancelled.
	 *
	 * @param WC_Order     $order   The order.
	 * @param array        $invoice The invoice.
	 * @param Swap_Pay_Api $api     The API.
	 * @return bool
	 * @throws Swap_Pay_Refusal   If it is being paid at another price, or was closed.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function usable( WC_Order $order, array $invoice, Swap_Pay_Api $api ) {
		if ( in_array( $invoice['status'], array( 'expired', 'cancelled' ), true ) ) {
			return false;
		}
		if ( 'closed' === $invoice['status'] ) {
			throw new Swap_Pay_Refusal( __( 'There was a problem with your last payment. Please ask us, or choose another payment method.', 'swap-pay-for-woocommerce' ) );
		}
		if ( self::is_settled( $invoice ) || Swap_Pay_Decision::is_price_of( Swap_Pay_Orders::facts( $order ), $invoice ) ) {
			return true;
		}
		if ( ! self::cancel( $invoice['id'], $api ) ) {
			throw new Swap_Pay_Refusal( __( 'A payment for this order is already on its way. Please ask us before you pay again.', 'swap-pay-for-woocommerce' ) );
		}
		$order->add_order_note( Swap_Pay_Words::note( 'other_price', $invoice ) );
		return false;
	}

	/**
	 * Make an invoice. What an earlier, interrupted attempt has made is found again.
	 *
	 * @param WC_Order     $order The order.
	 * @param Swap_Pay_Api $api   The API.
	 * @return array
	 * @throws Swap_Pay_Refusal   If an invoice is in the way that can't be paid.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function create( WC_Order $order, Swap_Pay_Api $api ) {
		$attempt = max( 1, (int) $order->get_meta( Swap_Pay_Orders::ATTEMPT ) );
		if ( '' !== (string) $order->get_meta( Swap_Pay_Orders::CURRENT ) ) {
			++$attempt; // The attempt before has its invoice.
		}
		for ( $try = 1; $try <= self::TRIES; $try++, $attempt++ ) {
			$order->update_meta_data( Swap_Pay_Orders::ATTEMPT, $attempt );
			$order->delete_meta_data( Swap_Pay_Orders::CURRENT );
			$order->save(); // Before the request: if this process dies, the next one sends the same key.
			try {
				$invoice = $api->post( '/invoices', self::request( $order ), self::key( $order, $attempt ) );
				if ( $api->was_replayed ) {
					$invoice = $api->get( '/invoices/' . rawurlencode( $invoice['id'] ) );
				}
			} catch ( Swap_Pay_Api_Error $error ) {
				$invoice = self::in_the_way( $order, $error, $api );
			}
			if ( null !== $invoice && self::usable( $order, $invoice, $api ) ) {
				$order->update_meta_data( Swap_Pay_Orders::CURRENT, $invoice['id'] );
				return $invoice;
			}
		}
		throw new Swap_Pay_Refusal( __( 'This order can\'t be paid right now. Please try again in a moment.', 'swap-pay-for-woocommerce' ) );
	}

	/**
	 * The invoice that a new one conflicts with.
	 *
	 * @param WC_Order           $order The order.
	 * @param Swap_Pay_Api_Error $error The refusal.
	 * @param Swap_Pay_Api       $api   The API.
	 * @return array|null Null where there is none any more.
	 * @throws Swap_Pay_Api_Error If the refusal was another one.
	 * @throws Swap_Pay_Refusal   If the invoice is not for this order.
	 */
	private static function in_the_way( WC_Order $order, Swap_Pay_Api_Error $error, Swap_Pay_Api $api ) {
		if ( 'DUPLICATE_ORDER_ID' === $error->code_name && null !== $error->invoice_id ) {
			$invoice = $api->get( '/invoices/' . rawurlencode( $error->invoice_id ) );
		} elseif ( 'IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY' === $error->code_name ) {
			// The order was changed after a request whose answer never came.
			$found = $api->get(
				'/invoices',
				array(
					'order_id' => Swap_Pay_Orders::id_at_gateway( $order ),
					'limit'    => 1,
				)
			);
			if ( ! $found['data'] ) {
				return null;
			}
			$invoice = $found['data'][0];
		} else {
			throw $error;
		}
		$of = Swap_Pay_Orders::of_invoice( $invoice );
		if ( null === $of || $of->get_id() !== $order->get_id() ) {
			Swap_Pay_Log::write( 'error', 'another shop with this address uses the same merchant', array( 'invoice' => $invoice['id'] ) );
			throw new Swap_Pay_Refusal( __( 'This order can\'t be paid with crypto. Please choose another payment method.', 'swap-pay-for-woocommerce' ) );
		}
		return $invoice;
	}

	/**
	 * What is asked of the gateway. The same for an unchanged order, so that its idempotency key can be used again.
	 *
	 * @param WC_Order $order The order.
	 * @return array
	 */
	private static function request( WC_Order $order ) {
		$request = array(
			'amount'      => Swap_Pay_Orders::total( $order ),
			'currency'    => $order->get_currency(),
			'order_id'    => Swap_Pay_Orders::id_at_gateway( $order ),
			/* translators: %s: number of an order. The customer sees it on the payment page. */
			'description' => sprintf( __( 'Order %s', 'swap-pay-for-woocommerce' ), $order->get_order_number() ),
			'expires_in'  => min( 10080, max( 10, (int) Swap_Pay_Settings::get( 'expires_in' ) ) ),
			'metadata'    => array(
				'order' => Swap_Pay_Orders::seal( $order ),
				'from'  => 'woocommerce',
			),
		);
		$back    = Swap_Pay_Return::url( $order );
		if ( 0 === strpos( $back, 'https://' ) && strlen( $back ) <= 2048 ) { // Others the gateway refuses.
			$request['success_url'] = $back;
			$request['fail_url']    = $back;
		}
		return $request;
	}

	/**
	 * The idempotency key of an attempt.
	 *
	 * @param WC_Order $order   The order.
	 * @param int      $attempt Its number, from 1.
	 * @return string
	 */
	private static function key( WC_Order $order, $attempt ) {
		$shop = substr( hash( 'sha256', Swap_Pay_Settings::shop() . '/' . $order->get_order_key() ), 0, 20 );
		return sprintf( 'wc-%s-%d-%d', $shop, $order->get_id(), $attempt );
	}

	/**
	 * Whether nothing is left for the customer to do.
	 *
	 * @param array $invoice The invoice.
	 * @return bool
	 */
	private static function is_settled( array $invoice ) {
		return in_array( $invoice['status'], Swap_Pay_Decision::CREDITED, true );
	}

	/**
	 * The payment page of an invoice.
	 *
	 * @param array $invoice The invoice.
	 * @return string
	 * @throws Swap_Pay_Refusal If it is no page that a customer should be sent to.
	 */
	private static function checked_page( array $invoice ) {
		try {
			Swap_Pay_Settings::checked_url( strtok( $invoice['payment_url'], '?#' ) );
		} catch ( InvalidArgumentException $error ) {
			Swap_Pay_Log::write( 'error', 'the gateway\'s payment page has no https address', array( 'invoice' => $invoice['id'] ) );
			throw new Swap_Pay_Refusal( __( 'This order can\'t be paid right now. Please try again in a moment.', 'swap-pay-for-woocommerce' ) );
		}
		return $invoice['payment_url'];
	}

	/**
	 * Cancel an invoice.
	 *
	 * @param string       $id  The invoice.
	 * @param Swap_Pay_Api $api The API.
	 * @return bool False if a payment is on its way, or it has ended.
	 * @throws Swap_Pay_Api_Error If the gateway refuses for another reason, or does not answer.
	 */
	private static function cancel( $id, Swap_Pay_Api $api ) {
		try {
			$api->post( '/invoices/' . rawurlencode( $id ) . '/cancel' );
			return true;
		} catch ( Swap_Pay_Api_Error $error ) {
			if ( 'INVOICE_NOT_CANCELLABLE' === $error->code_name ) {
				return false;
			}
			throw $error;
		}
	}

	/**
	 * Cancel what can still be paid of an order that needs no payment any more, so that nobody pays twice. What can't be
	 * cancelled now comes to the shop's people as a second payment.
	 *
	 * @param int $order_id The order.
	 */
	public static function end_open( $order_id ) {
		$order = wc_get_order( $order_id );
		if ( ! $order instanceof WC_Order || ! Swap_Pay_Settings::are_complete() ) {
			return;
		}
		foreach ( Swap_Pay_Orders::open_invoices( $order ) as $id ) {
			try {
				self::cancel( $id, Swap_Pay_Api::of_settings() );
			} catch ( Swap_Pay_Api_Error $error ) {
				continue; // It is in the log, and the order's change must not fail for it.
			}
		}
	}

	/**
	 * Bring an order in step with all of its invoices that have not come to an end.
	 *
	 * @param int          $order_id The order.
	 * @param int          $wait_s   How long to wait for others at most.
	 * @param Swap_Pay_Api $api      The API.
	 * @return string The status of the newest invoice; empty if there is none.
	 * @throws Swap_Pay_Refusal   If there is no such order, or others took too long.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	public static function ask_for( $order_id, $wait_s, Swap_Pay_Api $api ) {
		return Swap_Pay_Orders::locked(
			$order_id,
			$wait_s,
			static function ( WC_Order $order ) use ( $api ) {
				$current = (string) $order->get_meta( Swap_Pay_Orders::CURRENT );
				$status  = '';
				foreach ( Swap_Pay_Orders::seen( $order ) as $id => $each ) {
					if ( $id !== $current && in_array( $each['status'], array( 'refunded', 'closed' ), true ) ) {
						continue;
					}
					$invoice = $api->get( '/invoices/' . rawurlencode( $id ) );
					Swap_Pay_Orders::follow( $order, $invoice );
					$status = $id === $current ? $invoice['status'] : $status;
				}
				return $status;
			}
		);
	}
}
