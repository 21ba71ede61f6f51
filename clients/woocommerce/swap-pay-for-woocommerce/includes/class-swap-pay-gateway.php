<?php
/**
 * The payment method.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Swap Pay at WooCommerce's checkout: its settings, payments and refunds.
 */
class Swap_Pay_Gateway extends WC_Payment_Gateway {

	/**
	 * Tell WooCommerce what this is.
	 */
	public function __construct() {
		$this->id                 = Swap_Pay_Settings::METHOD;
		$this->method_title       = __( 'Swap Pay', 'swap-pay-for-woocommerce' );
		$this->method_description = __( 'Crypto payments through your own Swap Pay gateway. The customer chooses a coin on the gateway\'s page.', 'swap-pay-for-woocommerce' );
		$this->has_fields         = false;
		$this->supports           = array( 'products', 'refunds' );
		$this->order_button_text  = __( 'Pay with crypto', 'swap-pay-for-woocommerce' );

		$this->init_form_fields();
		$this->init_settings();
		$this->enabled     = Swap_Pay_Settings::get( 'enabled' );
		$this->title       = Swap_Pay_Settings::get( 'title' );
		$this->description = Swap_Pay_Settings::get( 'description' );
		if ( Swap_Pay_Settings::is_test() ) {
			$this->description .= ' ' . __( 'Test mode: no real money is taken.', 'swap-pay-for-woocommerce' );
		}

		add_action( 'woocommerce_update_options_payment_gateways_' . $this->id, array( $this, 'process_admin_options' ) );
	}

	/**
	 * The fields of the settings page.
	 */
	public function init_form_fields() {
		$defaults          = Swap_Pay_Settings::defaults();
		$this->form_fields = array(
			'enabled'        => array(
				'title'   => __( 'On or off', 'swap-pay-for-woocommerce' ),
				'type'    => 'checkbox',
				'label'   => __( 'Offer Swap Pay at the checkout', 'swap-pay-for-woocommerce' ),
				'default' => $defaults['enabled'],
			),
			'title'          => array(
				'title'       => __( 'Title', 'swap-pay-for-woocommerce' ),
				'type'        => 'text',
				'description' => __( 'What customers see at the checkout.', 'swap-pay-for-woocommerce' ),
				'default'     => $defaults['title'],
			),
			'description'    => array(
				'title'   => __( 'Description', 'swap-pay-for-woocommerce' ),
				'type'    => 'textarea',
				'default' => $defaults['description'],
			),
			'gateway_url'    => array(
				'title'       => __( 'Gateway address', 'swap-pay-for-woocommerce' ),
				'type'        => 'text',
				'placeholder' => 'https://pay.example.com',
				'description' => __( 'Where your Swap Pay runs.', 'swap-pay-for-woocommerce' ),
				'default'     => '',
			),
			'secret_key'     => array(
				'title'       => __( 'Secret key', 'swap-pay-for-woocommerce' ),
				'type'        => 'swap_pay_secret',
				'description' => __( 'From “API keys” in the gateway\'s cabinet, with the scopes invoices.write and refunds.write. A key that begins with sspay_sec_test_ takes test coins only.', 'swap-pay-for-woocommerce' ),
				'default'     => '',
			),
			'webhook_secret' => array(
				'title'       => __( 'Webhook secret', 'swap-pay-for-woocommerce' ),
				'type'        => 'swap_pay_secret',
				'description' => sprintf(
					/* translators: %s: address of a page. */
					__( 'Create a webhook endpoint in the cabinet for %s and copy its secret here.', 'swap-pay-for-woocommerce' ),
					'<code>' . esc_html( Swap_Pay_Settings::webhook_url() ) . '</code>'
				),
				'default'     => '',
			),
			'expires_in'     => array(
				'title'             => __( 'Minutes to pay', 'swap-pay-for-woocommerce' ),
				'type'              => 'number',
				'description'       => __( 'From 10 to 10080. Afterwards an unpaid order is cancelled.', 'swap-pay-for-woocommerce' ),
				'default'           => $defaults['expires_in'],
				'custom_attributes' => array(
					'min' => '10',
					'max' => '10080',
				),
			),
			'cases'          => array(
				'title'       => __( 'When not the exact amount comes', 'swap-pay-for-woocommerce' ),
				'type'        => 'select',
				'description' => __( 'An operator of the gateway decides such cases, and the order follows.', 'swap-pay-for-woocommerce' ),
				'default'     => $defaults['cases'],
				'options'     => array(
					'hold' => __( 'Put the order on hold, with a note', 'swap-pay-for-woocommerce' ),
					'note' => __( 'Only add a note', 'swap-pay-for-woocommerce' ),
				),
			),
			'late'           => array(
				'title'       => __( 'When a cancelled order is paid', 'swap-pay-for-woocommerce' ),
				'type'        => 'select',
				'description' => __( 'Its goods may be sold already.', 'swap-pay-for-woocommerce' ),
				'default'     => $defaults['late'],
				'options'     => array(
					'hold'     => __( 'Put it on hold, so that somebody decides', 'swap-pay-for-woocommerce' ),
					'complete' => __( 'Open it again as paid', 'swap-pay-for-woocommerce' ),
				),
			),
		);
	}

	/**
	 * A field for a secret: it never goes back to the browser, and left empty it keeps what is stored.
	 *
	 * @param string $key  The setting.
	 * @param array  $data The field.
	 * @return string
	 */
	public function generate_swap_pay_secret_html( $key, $data ) {
		$field  = $this->get_field_key( $key );
		$stored = Swap_Pay_Settings::get( $key );
		$hint   = '';
		if ( Swap_Pay_Settings::is_constant( $key ) ) {
			$hint = __( 'Set in wp-config.php', 'swap-pay-for-woocommerce' );
		} elseif ( '' !== $stored ) {
			/* translators: %s: the first characters of a secret. */
			$hint = sprintf( __( 'Stored: %s. Leave empty to keep it.', 'swap-pay-for-woocommerce' ), self::shown( $stored ) );
		}
		return sprintf(
			'<tr valign="top"><th scope="row" class="titledesc"><label for="%1$s">%2$s</label></th><td class="forminp">'
			. '<input class="input-text regular-input" type="password" name="%1$s" id="%1$s" value="" placeholder="%3$s" autocomplete="new-password"%4$s>'
			. '<p class="description">%5$s</p></td></tr>',
			esc_attr( $field ),
			esc_html( $data['title'] ),
			esc_attr( $hint ),
			Swap_Pay_Settings::is_constant( $key ) ? ' disabled' : '',
			wp_kses_post( $data['description'] )
		);
	}

	/**
	 * What of a stored secret may be shown: enough to tell it from another one.
	 *
	 * @param string $secret The secret.
	 * @return string
	 */
	private static function shown( $secret ) {
		return preg_match( '/^(sspay_sec_(live|test)_[A-Za-z0-9]+)_/', $secret, $parts ) ? $parts[1] . '_…' : 'whsec_…';
	}

	/**
	 * Check the gateway's address.
	 *
	 * @param string      $key   The setting.
	 * @param string|null $value What was typed.
	 * @return string
	 * @throws Exception If it is none. WooCommerce shows it, and keeps what was stored.
	 */
	public function validate_gateway_url_field( $key, $value ) {
		$value = sanitize_text_field( wp_unslash( (string) $value ) );
		if ( '' === $value ) {
			return '';
		}
		try {
			return Swap_Pay_Settings::checked_url( $value );
		} catch ( InvalidArgumentException $error ) {
			throw new Exception( __( 'Gateway address: it must begin with https:// and have nothing after the host but a path.', 'swap-pay-for-woocommerce' ) );
		}
	}

	/**
	 * Check the secret key.
	 *
	 * @param string      $key   The setting.
	 * @param string|null $value What was typed.
	 * @return string
	 * @throws Exception If it is none.
	 */
	public function validate_secret_key_field( $key, $value ) {
		return $this->checked_secret( $key, $value, Swap_Pay_Settings::KEY_FORM, __( 'Secret key: it begins with sspay_sec_live_ or sspay_sec_test_. Copy it whole.', 'swap-pay-for-woocommerce' ) );
	}

	/**
	 * Check the webhook secret.
	 *
	 * @param string      $key   The setting.
	 * @param string|null $value What was typed.
	 * @return string
	 * @throws Exception If it is none.
	 */
	public function validate_webhook_secret_field( $key, $value ) {
		return $this->checked_secret( $key, $value, Swap_Pay_Settings::SECRET_FORM, __( 'Webhook secret: it begins with whsec_. Copy it whole.', 'swap-pay-for-woocommerce' ) );
	}

	/**
	 * A secret as it is stored.
	 *
	 * @param string      $key   The setting.
	 * @param string|null $value What was typed; empty keeps what is stored.
	 * @param string      $form  What it must look like.
	 * @param string      $error What to say if it does not.
	 * @return string
	 * @throws Exception If it has another form.
	 */
	private function checked_secret( $key, $value, $form, $error ) {
		$value = trim( wp_unslash( (string) $value ) );
		if ( '' === $value ) {
			return (string) $this->get_option( $key );
		}
		if ( ! preg_match( $form, $value ) ) {
			throw new Exception( $error );
		}
		return $value;
	}

	/**
	 * Check the minutes to pay.
	 *
	 * @param string      $key   The setting.
	 * @param string|null $value What was typed.
	 * @return string
	 * @throws Exception If it is out of bounds.
	 */
	public function validate_expires_in_field( $key, $value ) {
		$value = trim( wp_unslash( (string) $value ) );
		if ( ! preg_match( '/^[0-9]{2,5}$/D', $value ) || (int) $value < 10 || (int) $value > 10080 ) {
			throw new Exception( __( 'Minutes to pay: a whole number from 10 to 10080.', 'swap-pay-for-woocommerce' ) );
		}
		return (string) (int) $value;
	}

	/**
	 * Store the settings, then ask the gateway whether they work.
	 *
	 * @return bool Whether anything was changed.
	 */
	public function process_admin_options() {
		$saved = parent::process_admin_options();
		foreach ( $this->get_errors() as $error ) {
			WC_Admin_Settings::add_error( $error ); // Shown with the other messages, not above the page.
		}
		if ( '' === Swap_Pay_Settings::get( 'gateway_url' ) || '' === Swap_Pay_Settings::get( 'secret_key' ) ) {
			WC_Admin_Settings::add_error( __( 'Swap Pay: enter the gateway address and the secret key. Until then it is not offered.', 'swap-pay-for-woocommerce' ) );
			return $saved;
		}
		if ( '' === Swap_Pay_Settings::get( 'webhook_secret' ) ) {
			WC_Admin_Settings::add_error( __( 'Swap Pay: the webhook secret is missing. Until then it is not offered.', 'swap-pay-for-woocommerce' ) );
		}
		$this->tell_what_the_key_may();
		return $saved;
	}

	/**
	 * Ask the gateway about the key, and tell what it said.
	 */
	private function tell_what_the_key_may() {
		try {
			$found = Swap_Pay_Key_Check::ask( Swap_Pay_Api::of_settings(), get_woocommerce_currency() );
		} catch ( Swap_Pay_Api_Error $error ) {
			WC_Admin_Settings::add_error( 'Swap Pay: ' . Swap_Pay_Plugin::explain( $error ) );
			return;
		}
		$mode = Swap_Pay_Settings::is_test() ? __( 'test mode', 'swap-pay-for-woocommerce' ) : __( 'live mode', 'swap-pay-for-woocommerce' );
		WC_Admin_Settings::add_message(
			sprintf(
				/* translators: 1: test mode or live mode, 2: list of scopes. */
				__( 'Swap Pay: the gateway takes the key, in %1$s. It may: %2$s.', 'swap-pay-for-woocommerce' ),
				$mode,
				$found['has'] ? implode( ', ', $found['has'] ) : '–'
			)
		);
		$missing = array_intersect( Swap_Pay_Key_Check::NEEDED, $found['lacks'] );
		if ( $missing ) {
			/* translators: %s: list of scopes. */
			WC_Admin_Settings::add_error( sprintf( __( 'Swap Pay: the key lacks %s. Customers can\'t pay with it.', 'swap-pay-for-woocommerce' ), implode( ', ', $missing ) ) );
		}
		$missing = array_intersect( Swap_Pay_Key_Check::FOR_REFUNDS, $found['lacks'] );
		if ( $missing ) {
			/* translators: %s: list of scopes. */
			WC_Admin_Settings::add_error( sprintf( __( 'Swap Pay: the key lacks %s. You can\'t refund from here with it, only at the gateway.', 'swap-pay-for-woocommerce' ), implode( ', ', $missing ) ) );
		}
		if ( 0 === $found['rates'] ) {
			/* translators: %s: currency code. */
			WC_Admin_Settings::add_error( sprintf( __( 'Swap Pay: the gateway has no rate in %s now. Switch the currency on in its cabinet, under “Prices”.', 'swap-pay-for-woocommerce' ), get_woocommerce_currency() ) );
		}
	}

	/**
	 * Whether customers may choose it.
	 *
	 * @return bool
	 */
	public function is_available() {
		return parent::is_available() && Swap_Pay_Settings::are_complete();
	}

	/**
	 * The customer has pressed the button: lead to the invoice's page.
	 *
	 * @param int $order_id The order.
	 * @return array As WooCommerce wants it.
	 */
	public function process_payment( $order_id ) {
		try {
			return array(
				'result'   => 'success',
				'redirect' => Swap_Pay_Invoices::page_for( $order_id, Swap_Pay_Api::of_settings() ),
			);
		} catch ( Swap_Pay_Refusal $refusal ) {
			$words = $refusal->getMessage();
		} catch ( Swap_Pay_Api_Error $error ) {
			Swap_Pay_Log::write( 'error', 'a customer could not pay', array( 'order' => $order_id, 'code' => $error->code_name ) );
			$words = $error->may_pass()
				? __( 'The crypto payment can\'t be started right now. Please try again in a moment, or choose another payment method.', 'swap-pay-for-woocommerce' )
				: __( 'This order can\'t be paid with crypto. Please choose another payment method.', 'swap-pay-for-woocommerce' );
		}
		wc_add_notice( esc_html( $words ), 'error' );
		return array( 'result' => 'failure' );
	}

	/**
	 * The shop's people have pressed refund.
	 *
	 * @param int         $order_id The order.
	 * @param string|null $amount   How much of it.
	 * @param string      $reason   What the customer is told.
	 * @return bool|WP_Error
	 */
	public function process_refund( $order_id, $amount = null, $reason = '' ) {
		try {
			return Swap_Pay_Refunds::request( $order_id, null === $amount ? null : (string) $amount, (string) $reason, Swap_Pay_Api::of_settings() );
		} catch ( Swap_Pay_Refusal $refusal ) {
			return new WP_Error( 'swap_pay', $refusal->getMessage() );
		} catch ( Swap_Pay_Api_Error $error ) {
			return new WP_Error( 'swap_pay', Swap_Pay_Plugin::explain( $error ) );
		}
	}

	/**
	 * Where an order's transaction can be looked at: its invoice in the cabinet.
	 *
	 * @param WC_Order $order The order.
	 * @return string
	 */
	public function get_transaction_url( $order ) {
		$id = (string) $order->get_transaction_id();
		return '' === $id ? '' : Swap_Pay_Order_Box::link( $id );
	}
}
