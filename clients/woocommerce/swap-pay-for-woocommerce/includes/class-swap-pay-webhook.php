<?php
/**
 * Where the gateway delivers its events: `?wc-api=swap_pay`.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * An event only wakes the shop. Nothing of its body is believed but the ids: what they name is read from the gateway,
 * with the shop's own key, before an order changes. So old, repeated and forged events can do no harm.
 */
final class Swap_Pay_Webhook {

	const LONGEST_BODY = 1048576;

	/**
	 * Seconds to wait for another process that works on the order. The gateway waits for ten in all.
	 */
	const WAIT_S = 4;

	/**
	 * What the gateway was told about refunds, by their ids: the status that the order has a note of.
	 */
	const REFUND_STATES = '_swap_pay_refund_states';

	/**
	 * Answer the request, and end it.
	 */
	public static function handle() {
		// phpcs:disable WordPress.Security.ValidatedSanitizedInput -- the signature is compared, never shown or stored.
		$header = isset( $_SERVER['HTTP_SWAP_PAY_SIGNATURE'] ) ? wp_unslash( $_SERVER['HTTP_SWAP_PAY_SIGNATURE'] ) : '';
		$method = isset( $_SERVER['REQUEST_METHOD'] ) ? $_SERVER['REQUEST_METHOD'] : '';
		// phpcs:enable
		$body = 'POST' === $method ? file_get_contents( 'php://input', false, null, 0, self::LONGEST_BODY + 1 ) : '';

		list( $status, $words ) = 'POST' === $method
			? self::answer( (string) $header, (string) $body, time() )
			: array( 405, 'POST is what is taken here' );
		nocache_headers();
		if ( 503 === $status ) {
			header( 'Retry-After: 30' );
		}
		if ( 405 === $status ) {
			header( 'Allow: POST' );
		}
		status_header( $status );
		header( 'Content-Type: text/plain; charset=utf-8' );
		echo esc_html( $words );
		exit;
	}

	/**
	 * What an event is answered with. 503 makes the gateway send it again later.
	 *
	 * @param string $header The signature's header.
	 * @param string $body   The raw body.
	 * @param int    $now    Unix time.
	 * @return array The HTTP status and words for the gateway's list of deliveries.
	 */
	public static function answer( $header, $body, $now ) {
		if ( ! Swap_Pay_Settings::are_complete() ) {
			return array( 503, 'Swap Pay is not set up in this shop yet' );
		}
		if ( strlen( $body ) > self::LONGEST_BODY ) {
			return array( 413, 'too long' );
		}
		if ( ! Swap_Pay_Signature::is_good( Swap_Pay_Settings::get( 'webhook_secret' ), $header, $body, $now ) ) {
			Swap_Pay_Log::write( 'warning', 'an event was refused: no good signature, or an old one' );
			return array( 401, 'no good signature, or an old one: compare the webhook secret and the clock' );
		}
		$event = json_decode( $body, true );
		if ( ! is_array( $event ) || ! isset( $event['type'], $event['data'] ) || ! is_string( $event['type'] ) || ! is_array( $event['data'] ) ) {
			return array( 400, 'not an event' );
		}
		if ( isset( $event['merchant_id'] ) && is_string( $event['merchant_id'] ) && preg_match( '/^MCH-[0-9A-Z]{10}$/D', $event['merchant_id'] ) ) {
			update_option( 'swap_pay_merchant', $event['merchant_id'], false ); // For links to the cabinet.
		}
		try {
			return array( 200, self::follow( $event, Swap_Pay_Api::of_settings() ) );
		} catch ( Swap_Pay_Refusal $busy ) {
			return array( 503, 'another process works on the order' );
		} catch ( Swap_Pay_Api_Error $error ) {
			if ( 404 === $error->status && 'NO_API' !== $error->code_name ) {
				return array( 200, 'not known to the key of this shop: of another mode or merchant' );
			}
			return array( 503, 'the gateway could not be asked: ' . $error->code_name );
		}
	}

	/**
	 * Follow what an event is about.
	 *
	 * @param array        $event The event.
	 * @param Swap_Pay_Api $api   The API.
	 * @return string What was done.
	 * @throws Swap_Pay_Refusal   If others work on the order.
	 * @throws Swap_Pay_Api_Error If the gateway refuses, or does not answer.
	 */
	private static function follow( array $event, Swap_Pay_Api $api ) {
		$kind = strtok( $event['type'], '.' );
		$data = $event['data'];
		if ( 'invoice' === $kind && self::is_id( $data, 'invoice_id', 'INV' ) ) {
			return self::follow_invoice( $data['invoice_id'], $api );
		}
		if ( 'refund' === $kind && self::is_id( $data, 'refund_id', 'RF' ) ) {
			return self::follow_refund( $data['refund_id'], $api );
		}
		return 'nothing for a shop';
	}

	/**
	 * Bring the order of an invoice in step.
	 *
	 * @param string       $id  The invoice.
	 * @param Swap_Pay_Api $api The API.
	 * @return string What was done.
	 */
	private static function follow_invoice( $id, Swap_Pay_Api $api ) {
		$order = Swap_Pay_Orders::of_invoice( $api->get( '/invoices/' . $id ) );
		if ( null === $order ) {
			return 'not an order of this shop';
		}
		// Read again under the lock: what two processes read at once would be done in any order.
		return Swap_Pay_Orders::locked(
			$order->get_id(),
			self::WAIT_S,
			static function ( WC_Order $order ) use ( $id, $api ) {
				Swap_Pay_Orders::follow( $order, $api->get( '/invoices/' . $id ) );
				return 'order ' . $order->get_id() . ' is ' . $order->get_status();
			}
		);
	}

	/**
	 * Tell the order of a refund's new status.
	 *
	 * @param string       $id  The refund.
	 * @param Swap_Pay_Api $api The API.
	 * @return string What was done.
	 */
	private static function follow_refund( $id, Swap_Pay_Api $api ) {
		$refund = $api->get( '/refunds/' . $id );
		$order  = empty( $refund['invoice_id'] ) ? null : Swap_Pay_Orders::of_invoice( $api->get( '/invoices/' . $refund['invoice_id'] ) );
		if ( null === $order ) {
			return 'not an order of this shop';
		}
		return Swap_Pay_Orders::locked(
			$order->get_id(),
			self::WAIT_S,
			static function ( WC_Order $order ) use ( $id, $api ) {
				$refund = $api->get( '/refunds/' . $id );
				$states = $order->get_meta( self::REFUND_STATES );
				$states = is_array( $states ) ? $states : array();
				if ( isset( $states[ $id ] ) && $states[ $id ] === $refund['status'] ) {
					return 'known';
				}
				$states[ $id ] = $refund['status'];
				$order->update_meta_data( self::REFUND_STATES, $states );
				$note = Swap_Pay_Words::refund_note( $refund );
				if ( null !== $note ) {
					$order->add_order_note( $note );
				}
				$order->save();
				return 'order ' . $order->get_id() . ' has a note';
			}
		);
	}

	/**
	 * Whether an event's data names something by an id of the right form.
	 *
	 * @param array  $data   The data.
	 * @param string $field  The field.
	 * @param string $prefix What ids of the kind begin with.
	 * @return bool
	 */
	private static function is_id( array $data, $field, $prefix ) {
		return isset( $data[ $field ] ) && is_string( $data[ $field ] )
			&& 1 === preg_match( '/^' . $prefix . '-[0-9A-HJKMNP-TV-Z]{10}$/D', $data[ $field ] );
	}
}
