<?php
/**
 * The payment method in the checkout block.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

use Automattic\WooCommerce\Blocks\Payments\Integrations\AbstractPaymentMethodType;

/**
 * Tells the checkout block what to show. It then pays through Swap_Pay_Gateway, as the classic checkout does.
 */
final class Swap_Pay_Blocks extends AbstractPaymentMethodType {

	/**
	 * The payment method's id.
	 *
	 * @var string
	 */
	protected $name = Swap_Pay_Settings::METHOD;

	/**
	 * Nothing to prepare: the settings are read where they are needed.
	 */
	public function initialize() {
	}

	/**
	 * Whether customers may choose it.
	 *
	 * @return bool
	 */
	public function is_active() {
		return 'yes' === Swap_Pay_Settings::get( 'enabled' ) && Swap_Pay_Settings::are_complete();
	}

	/**
	 * The script that registers it in the block.
	 *
	 * @return string[]
	 */
	public function get_payment_method_script_handles() {
		wp_register_script(
			'swap-pay-blocks',
			plugins_url( 'assets/blocks.js', SWAP_PAY_FILE ),
			array( 'wc-blocks-registry', 'wc-settings', 'wp-element', 'wp-html-entities' ),
			SWAP_PAY_VERSION,
			true
		);
		return array( 'swap-pay-blocks' );
	}

	/**
	 * What the script shows. No secret is among it: every visitor can read it.
	 *
	 * @return array
	 */
	public function get_payment_method_data() {
		$gateway = new Swap_Pay_Gateway();
		return array(
			'title'       => $gateway->title,
			'description' => $gateway->description,
			'button'      => $gateway->order_button_text,
			'supports'    => array( 'products' ),
		);
	}
}
