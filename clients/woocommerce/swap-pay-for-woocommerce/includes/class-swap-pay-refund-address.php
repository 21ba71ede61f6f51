<?php
/**
 * Where a customer wants money back: asked by email, given on a page of the shop, `?wc-api=swap_pay_refund_address`.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * The address of a refund. The shop's people see it before they press refund, and an operator before it is approved.
 */
final class Swap_Pay_Refund_Address {

	/**
	 * What was given: `address`, `invoice`, `by` (`customer` or `shop`), `at` (Unix time).
	 */
	const GIVEN = '_swap_pay_refund_address';

	/**
	 * What was asked: `invoice`, `nonce`, `at`.
	 */
	const ASKED = '_swap_pay_refund_asked';

	const LONGEST = 100;

	/**
	 * Seconds before the customer gets the same email again.
	 */
	const PAUSE_S = 3600;

	/**
	 * Seconds that a link is good for.
	 */
	const LINK_S = 2592000;

	/**
	 * The address for an order's invoice; null if there is none yet.
	 *
	 * @param WC_Order $order   The order.
	 * @param array    $invoice The invoice.
	 * @return string|null
	 */
	public static function of( WC_Order $order, array $invoice ) {
		$given = self::given( $order );
		return null !== $given && $given['invoice'] === $invoice['id'] ? $given['address'] : null;
	}

	/**
	 * What was given for an order.
	 *
	 * @param WC_Order $order The order.
	 * @return array|null
	 */
	public static function given( WC_Order $order ) {
		$given = $order->get_meta( self::GIVEN );
		return is_array( $given ) && isset( $given['address'], $given['invoice'] ) ? $given : null;
	}

	/**
	 * Forget an address, so that another one can be given.
	 *
	 * @param WC_Order $order The order.
	 */
	public static function forget( WC_Order $order ) {
		$order->delete_meta_data( self::GIVEN );
		$order->delete_meta_data( self::ASKED );
		$order->save();
	}

	/**
	 * Ask the customer, by the email that WooCommerce sends with a note to the customer.
	 *
	 * @param WC_Order $order   The order.
	 * @param array    $invoice The invoice with its money.
	 * @return string What the shop's people are told.
	 */
	public static function ask( WC_Order $order, array $invoice ) {
		$asked = $order->get_meta( self::ASKED );
		if ( is_array( $asked ) && $asked['invoice'] === $invoice['id'] && $asked['at'] > time() - self::PAUSE_S ) {
			return __( 'The customer was asked for a refund address within the last hour and has not given one yet. Nothing was sent. You can also enter the address in the box “Swap Pay” of this order.', 'swap-pay-for-woocommerce' );
		}
		$order->update_meta_data(
			self::ASKED,
			array(
				'invoice' => $invoice['id'],
				'coin'    => $invoice['pay_in']['asset'],
				'chain'   => $invoice['pay_in']['chain'],
				'nonce'   => wp_generate_password( 32, false ),
				'at'      => time(),
			)
		);
		$order->save();
		$order->add_order_note(
			sprintf(
				/* translators: 1: coin, 2: network, 3: address of a page. */
				__( 'We want to send you money back. Please tell us an address of your own wallet for %1$s on %2$s. Do not use an address of a service that asks for a memo or does not take this coin there. Enter it here: %3$s', 'swap-pay-for-woocommerce' ),
				$invoice['pay_in']['asset'],
				$invoice['pay_in']['chain'],
				self::url( $order )
			),
			1
		);
		return __( 'Nothing was sent yet: the customer was asked by email where to. When the address is there, this order has a note, and you can press refund again. You can also enter the address in the box “Swap Pay”.', 'swap-pay-for-woocommerce' );
	}

	/**
	 * The customer's page.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public static function url( WC_Order $order ) {
		return add_query_arg(
			array(
				'order' => $order->get_id(),
				'token' => self::token( $order ),
			),
			WC()->api_request_url( 'swap_pay_refund_address' )
		);
	}

	/**
	 * Proves that somebody has the link of what was asked last.
	 *
	 * @param WC_Order $order The order.
	 * @return string Empty if nothing was asked.
	 */
	private static function token( WC_Order $order ) {
		$asked = $order->get_meta( self::ASKED );
		if ( ! is_array( $asked ) || empty( $asked['nonce'] ) || $asked['at'] < time() - self::LINK_S ) {
			return '';
		}
		return hash_hmac( 'sha256', 'refund address|' . $order->get_id() . '|' . $order->get_order_key() . '|' . $asked['nonce'], wp_salt( 'auth' ) );
	}

	/**
	 * Keep an address.
	 *
	 * @param WC_Order $order   The order.
	 * @param string   $invoice The invoice that it is for.
	 * @param string   $typed   What was typed.
	 * @param string   $by      `customer` or `shop`.
	 * @throws Swap_Pay_Refusal If it can't be an address. The gateway checks it in full.
	 */
	public static function give( WC_Order $order, $invoice, $typed, $by ) {
		$address = trim( $typed );
		if ( strlen( $address ) > self::LONGEST || ! preg_match( '/^[A-Za-z0-9:]{20,}$/D', $address ) ) {
			throw new Swap_Pay_Refusal( __( 'This is no address. Please copy it from your wallet, without anything before or after it.', 'swap-pay-for-woocommerce' ) );
		}
		$before = self::given( $order );
		if ( null !== $before && $before['address'] === $address && $before['invoice'] === $invoice ) {
			return;
		}
		$order->update_meta_data(
			self::GIVEN,
			array(
				'address' => $address,
				'invoice' => $invoice,
				'by'      => $by,
				'at'      => time(),
			)
		);
		$order->add_order_note(
			'customer' === $by
				/* translators: %s: address. */
				? sprintf( __( 'The customer has given a refund address: %s. You can press refund now.', 'swap-pay-for-woocommerce' ), $address )
				/* translators: %s: address. */
				: sprintf( __( 'Refund address entered in the shop: %s.', 'swap-pay-for-woocommerce' ), $address ),
			0,
			'shop' === $by
		);
		$order->save();
	}

	/**
	 * Answer the customer's request for the page, or its form, and end it.
	 */
	public static function handle() {
		// phpcs:disable WordPress.Security.NonceVerification -- the token of the link is checked; the form's nonce below.
		$order_id = isset( $_GET['order'] ) ? absint( wp_unslash( $_GET['order'] ) ) : 0;
		$token    = isset( $_GET['token'] ) ? sanitize_text_field( wp_unslash( $_GET['token'] ) ) : '';
		$is_form  = isset( $_POST['swap_pay_address'] );
		$typed    = $is_form ? sanitize_text_field( wp_unslash( $_POST['swap_pay_address'] ) ) : '';
		$nonce    = isset( $_POST['_wpnonce'] ) ? sanitize_text_field( wp_unslash( $_POST['_wpnonce'] ) ) : '';
		// phpcs:enable
		nocache_headers();
		header( 'Referrer-Policy: no-referrer' ); // The link is a secret of the customer.
		header( 'X-Robots-Tag: noindex' );
		header( "Content-Security-Policy: default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'" );
		list( $status, $page ) = self::page( $order_id, $token, $is_form, $typed, $nonce );
		status_header( $status );
		header( 'Content-Type: text/html; charset=utf-8' );
		echo $page; // phpcs:ignore WordPress.Security.EscapeOutput -- escaped where it is made, below.
		exit;
	}

	/**
	 * The page.
	 *
	 * @param int    $order_id The order that the link names.
	 * @param string $token    The link's token.
	 * @param bool   $is_form  Whether the form was sent.
	 * @param string $typed    What was typed.
	 * @param string $nonce    The form's nonce.
	 * @return array The HTTP status and the HTML.
	 */
	public static function page( $order_id, $token, $is_form, $typed, $nonce ) {
		$order = wc_get_order( $order_id );
		$right = $order instanceof WC_Order ? self::token( $order ) : '';
		if ( '' === $right || ! hash_equals( $right, $token ) ) {
			return array( 404, self::html( __( 'This link is no longer good. Please ask us for a new one.', 'swap-pay-for-woocommerce' ), '' ) );
		}
		$asked = $order->get_meta( self::ASKED );
		$error = '';
		if ( $is_form ) {
			if ( ! wp_verify_nonce( $nonce, 'swap_pay_refund_address_' . $order_id ) ) {
				$error = __( 'The page was open for too long. Please send it once more.', 'swap-pay-for-woocommerce' );
			} else {
				try {
					Swap_Pay_Orders::locked(
						$order_id,
						5,
						static function ( WC_Order $fresh ) use ( $asked, $typed ) {
							self::give( $fresh, $asked['invoice'], $typed, 'customer' );
						}
					);
					return array( 200, self::html( __( 'Thank you. We have your address, and send the money when it has been checked.', 'swap-pay-for-woocommerce' ), '' ) );
				} catch ( Swap_Pay_Refusal $refusal ) {
					$error = $refusal->getMessage();
				}
			}
		}
		$words = sprintf(
			/* translators: 1: number of an order, 2: coin, 3: network. */
			__( 'For order %1$s: your own address for %2$s on %3$s', 'swap-pay-for-woocommerce' ),
			$order->get_order_number(),
			$asked['coin'],
			$asked['chain']
		);
		$form = sprintf(
			'<form method="post" action="%1$s">%2$s<label for="address">%3$s</label>'
			. '<input id="address" name="swap_pay_address" value="%4$s" maxlength="100" required autocomplete="off" spellcheck="false" translate="no"%5$s>'
			. '<p id="hint">%6$s</p><button type="submit">%7$s</button></form>',
			esc_url( self::url( $order ) ),
			wp_nonce_field( 'swap_pay_refund_address_' . $order_id, '_wpnonce', false, false ),
			esc_html( $words ),
			esc_attr( $typed ),
			'' === $error ? ' aria-describedby="hint"' : ' aria-invalid="true" aria-describedby="error hint"',
			esc_html__( 'What is sent to a wrong address, or on another network, is lost. Please copy it from your wallet.', 'swap-pay-for-woocommerce' ),
			esc_html__( 'Send the address', 'swap-pay-for-woocommerce' )
		);
		$error = '' === $error ? '' : '<p id="error" role="alert">' . esc_html( $error ) . '</p>';
		return array( '' === $error ? 200 : 422, self::html( '', $error . $form ) );
	}

	/**
	 * A whole document.
	 *
	 * @param string $words What is said, as text; may be empty.
	 * @param string $html  What follows, as HTML.
	 * @return string
	 */
	private static function html( $words, $html ) {
		return sprintf(
			'<!doctype html><html %1$s><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
			. '<title>%2$s</title><link rel="stylesheet" href="%3$s"></head><body><main><h1>%2$s</h1>%4$s%5$s<p><a href="%6$s">%7$s</a></p></main></body></html>',
			get_language_attributes(),
			esc_html__( 'Where to send your money back', 'swap-pay-for-woocommerce' ),
			esc_url( plugins_url( 'assets/pages.css', SWAP_PAY_FILE ) . '?ver=' . SWAP_PAY_VERSION ),
			'' === $words ? '' : '<p>' . esc_html( $words ) . '</p>',
			$html,
			esc_url( home_url( '/' ) ),
			esc_html( get_bloginfo( 'name' ) )
		);
	}
}
