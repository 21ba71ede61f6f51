<?php
/**
 * Orders and what is kept with them. Only WooCommerce's order API is used, so it is the same where orders are stored.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Brings orders in step with invoices.
 */
final class Swap_Pay_Orders {

	/**
	 * The id of the order's newest invoice.
	 */
	const CURRENT = '_swap_pay_invoice';

	/**
	 * How many invoices were begun for the order.
	 */
	const ATTEMPT = '_swap_pay_attempt';

	/**
	 * What was seen of each of its invoices, by id: `status`, `done`, `amount`, `txids`.
	 */
	const SEEN = '_swap_pay_invoices';

	/**
	 * The id of the invoice whose money was counted for the order.
	 */
	const PAID_BY = '_swap_pay_paid_by';

	/**
	 * The id of the newest invoice with money for the order, whether it counts as paid or not.
	 */
	const CREDITED = '_swap_pay_credited';

	/**
	 * When the gateway was last asked by a customer's page, as Unix time.
	 */
	const ASKED_AT = '_swap_pay_asked_at';

	/**
	 * Do something with an order while no other process does, on its newest state.
	 *
	 * @param int      $order_id The order.
	 * @param int      $wait_s   How long to wait for others at most.
	 * @param callable $work     Takes the order.
	 * @return mixed What `$work` returns.
	 * @throws Swap_Pay_Refusal If there is no such order, or others took too long.
	 */
	public static function locked( $order_id, $wait_s, callable $work ) {
		return Swap_Pay_Lock::with(
			'order_' . (int) $order_id,
			$wait_s,
			static function () use ( $order_id, $work ) {
				if ( function_exists( 'wp_cache_supports' ) && wp_cache_supports( 'flush_runtime' ) ) {
					wp_cache_flush_runtime(); // What this process read before it had the lock may be old.
				}
				$order = wc_get_order( $order_id );
				if ( ! $order instanceof WC_Order ) {
					throw new Swap_Pay_Refusal( __( 'There is no such order.', 'swap-pay-for-woocommerce' ) );
				}
				return $work( $order );
			}
		);
	}

	/**
	 * The order that an invoice is for; null if it is none of this shop.
	 *
	 * @param array $invoice The invoice, as the gateway shows it.
	 * @return WC_Order|null
	 */
	public static function of_invoice( array $invoice ) {
		$beginning = Swap_Pay_Settings::shop() . '/';
		$order_id  = isset( $invoice['order_id'] ) ? (string) $invoice['order_id'] : '';
		if ( 0 !== strpos( $order_id, $beginning ) || ! preg_match( '/^[1-9][0-9]{0,17}$/D', substr( $order_id, strlen( $beginning ) ) ) ) {
			return null;
		}
		$order = wc_get_order( (int) substr( $order_id, strlen( $beginning ) ) );
		$seal  = isset( $invoice['metadata']['order'] ) ? (string) $invoice['metadata']['order'] : '';
		return $order instanceof WC_Order && hash_equals( self::seal( $order ), $seal ) ? $order : null;
	}

	/**
	 * What an order is called at the gateway.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public static function id_at_gateway( WC_Order $order ) {
		return Swap_Pay_Settings::shop() . '/' . $order->get_id();
	}

	/**
	 * Distinguishes an order from one with the same number in a copy of the shop.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public static function seal( WC_Order $order ) {
		return substr( hash( 'sha256', $order->get_order_key() ), 0, 16 );
	}

	/**
	 * What decisions need to know of an order.
	 *
	 * @param WC_Order $order The order.
	 * @return array As Swap_Pay_Decision::make takes it.
	 */
	public static function facts( WC_Order $order ) {
		return array(
			'status'   => $order->get_status(),
			'is_paid'  => $order->is_paid() || null !== $order->get_date_paid(),
			'is_ours'  => Swap_Pay_Settings::METHOD === $order->get_payment_method(),
			'total'    => self::total( $order ),
			'currency' => $order->get_currency(),
			'current'  => (string) $order->get_meta( self::CURRENT ),
			'paid_by'  => (string) $order->get_meta( self::PAID_BY ),
		);
	}

	/**
	 * What an order costs, as a plain decimal.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public static function total( WC_Order $order ) {
		return Swap_Pay_Amounts::plain( wc_format_decimal( $order->get_total(), wc_get_price_decimals() ) );
	}

	/**
	 * Bring an order in step with what the gateway says of an invoice. The caller holds the order's lock.
	 *
	 * The same state again changes nothing: neither what was done before, nor what the shop's people have done since.
	 *
	 * @param WC_Order $order   The order.
	 * @param array    $invoice The invoice, read from the gateway just now.
	 */
	public static function follow( WC_Order $order, array $invoice ) {
		$rules    = array(
			'cases' => Swap_Pay_Settings::get( 'cases' ),
			'late'  => Swap_Pay_Settings::get( 'late' ),
		);
		$seen     = self::seen( $order );
		$before   = isset( $seen[ $invoice['id'] ] ) ? $seen[ $invoice['id'] ] : array();
		$last     = isset( $before['done'] ) ? $before['done'] : '';
		$facts    = self::facts( $order ) + array( 'last' => $last );
		$decision = Swap_Pay_Decision::make( $facts, $invoice, $rules );
		$done     = null === $decision->note ? $last : $invoice['status'] . '/' . $decision->note;

		$seen[ $invoice['id'] ] = array(
			'status' => $invoice['status'],
			'done'   => $done,
			'amount' => isset( $invoice['pay_in'] )
				? $invoice['pay_in']['amount_decimal'] . ' ' . $invoice['pay_in']['asset'] . ' (' . $invoice['pay_in']['chain'] . ')'
				: '',
			'txids'  => Swap_Pay_Words::transactions( $invoice ),
		);
		if ( $seen[ $invoice['id'] ] !== $before ) {
			$order->update_meta_data( self::SEEN, $seen );
		}
		if ( in_array( $invoice['status'], Swap_Pay_Decision::CREDITED, true ) && ! empty( $invoice['credited'] ) ) {
			$order->update_meta_data( self::CREDITED, $invoice['id'] );
		}
		if ( $done !== $last ) {
			self::apply( $order, $decision, $invoice );
		}
		$order->save();
	}

	/**
	 * Do what was decided.
	 *
	 * @param WC_Order          $order    The order.
	 * @param Swap_Pay_Decision $decision The decision.
	 * @param array             $invoice  The invoice.
	 */
	private static function apply( WC_Order $order, Swap_Pay_Decision $decision, array $invoice ) {
		$note = Swap_Pay_Words::note( $decision->note, $invoice );
		if ( $decision->completes || 'paid_cancelled_hold' === $decision->note ) {
			$order->update_meta_data( self::PAID_BY, $invoice['id'] ); // A person decides: the next event must not.
		}
		if ( $decision->completes ) {
			if ( Swap_Pay_Settings::METHOD !== $order->get_payment_method() ) {
				$order->set_payment_method( Swap_Pay_Settings::METHOD );
				$order->set_payment_method_title( Swap_Pay_Settings::get( 'title' ) );
			}
			$order->add_order_note( $note );
			$order->payment_complete( $invoice['id'] );
		} elseif ( null !== $decision->status && $decision->status !== $order->get_status() ) {
			$order->update_status( $decision->status, $note . ' ' );
		} else {
			$order->add_order_note( $note );
		}
		Swap_Pay_Log::write(
			'info',
			'order follows its invoice',
			array(
				'order'   => $order->get_id(),
				'invoice' => $invoice['id'],
				'status'  => $invoice['status'],
				'note'    => $decision->note,
			)
		);
	}

	/**
	 * What was seen of an order's invoices, by id.
	 *
	 * @param WC_Order $order The order.
	 * @return array
	 */
	public static function seen( WC_Order $order ) {
		$seen = $order->get_meta( self::SEEN );
		return is_array( $seen ) ? $seen : array();
	}

	/**
	 * The invoices of an order that may still be paid, as far as was seen.
	 *
	 * @param WC_Order $order The order.
	 * @return string[] Ids.
	 */
	public static function open_invoices( WC_Order $order ) {
		$open = array();
		foreach ( self::seen( $order ) as $id => $each ) {
			if ( in_array( $each['status'], array( 'awaiting_choice', 'awaiting_deposit' ), true ) ) {
				$open[] = (string) $id;
			}
		}
		return $open;
	}
}
