<?php
/**
 * A double of the part of WooCommerce that the plug-in uses. WooCommerce itself is not to be had where the tests run, so
 * these classes are held to its public documentation: the order API, the settings API, the payment gateway API, refunds
 * through gateways, and the API of payment methods in the checkout block.
 *
 * What matters of their behaviour: wc_get_order() reads the order anew each time; nothing is stored before save(); a
 * status's action runs when it is saved; payment_complete() does nothing to an order in a status that is not for payment;
 * the settings page keeps the stored value of a field whose check throws.
 */

namespace Automattic\WooCommerce\Blocks\Payments\Integrations {
	/** What payment methods of the checkout block extend. */
	abstract class AbstractPaymentMethodType {
		protected $name = '';

		public function get_name() {
			return $this->name;
		}
	}
}

namespace Automattic\WooCommerce\Utilities {
	/** Where plug-ins say what they are compatible with. */
	class FeaturesUtil {
		public static $declared = array();

		public static function declare_compatibility( $feature, $file, $is_compatible = true ) {
			self::$declared[ $feature ] = $is_compatible;
			return true;
		}
	}
}

namespace {
	abstract class WC_Settings_API {
		public $plugin_id   = 'woocommerce_';
		public $id          = '';
		public $errors      = array();
		public $settings    = array();
		public $form_fields = array();

		public function get_option_key() {
			return $this->plugin_id . $this->id . '_settings';
		}

		public function get_field_key( $key ) {
			return $this->plugin_id . $this->id . '_' . $key;
		}

		public function init_settings() {
			$this->settings = get_option( $this->get_option_key(), null );
			if ( ! is_array( $this->settings ) ) {
				$this->settings = array_map(
					static function ( $field ) {
						return isset( $field['default'] ) ? $field['default'] : '';
					},
					$this->form_fields
				);
			}
		}

		public function get_option( $key ) {
			return isset( $this->settings[ $key ] ) ? $this->settings[ $key ] : '';
		}

		public function process_admin_options() {
			$this->init_settings();
			foreach ( $this->form_fields as $key => $field ) {
				$posted = isset( $_POST[ $this->get_field_key( $key ) ] ) ? $_POST[ $this->get_field_key( $key ) ] : null;
				try {
					if ( is_callable( array( $this, "validate_{$key}_field" ) ) ) {
						$this->settings[ $key ] = $this->{"validate_{$key}_field"}( $key, $posted );
					} elseif ( 'checkbox' === $field['type'] ) {
						$this->settings[ $key ] = null === $posted ? 'no' : 'yes';
					} elseif ( 'select' === $field['type'] ) {
						$this->settings[ $key ] = isset( $field['options'][ $posted ] ) ? $posted : $field['default'];
					} else {
						$this->settings[ $key ] = sanitize_text_field( wp_unslash( (string) $posted ) );
					}
				} catch ( Exception $error ) {
					$this->errors[] = $error->getMessage();
				}
			}
			return update_option( $this->get_option_key(), $this->settings );
		}

		public function get_errors() {
			return $this->errors;
		}

		public function generate_settings_html() {
			$html = '';
			foreach ( $this->form_fields as $key => $field ) {
				$method = "generate_{$field['type']}_html";
				$html  .= method_exists( $this, $method ) ? $this->$method( $key, $field ) : '';
			}
			return $html;
		}
	}

	abstract class WC_Payment_Gateway extends WC_Settings_API {
		public $enabled = 'yes';
		public $title;
		public $description;
		public $method_title;
		public $method_description;
		public $has_fields;
		public $supports = array( 'products' );
		public $order_button_text;

		public function is_available() {
			return 'yes' === $this->enabled;
		}

		public function supports( $feature ) {
			return in_array( $feature, $this->supports, true );
		}
	}

	class WC_Admin_Settings {
		public static $shown = array();

		public static function add_message( $words ) {
			self::$shown[] = array( 'message', $words );
		}

		public static function add_error( $words ) {
			self::$shown[] = array( 'error', $words );
		}
	}

	class WC_Admin_Meta_Boxes {
		public static $errors = array();

		public static function add_error( $words ) {
			self::$errors[] = $words;
		}
	}

	/** An order, with the methods that plug-ins may use whatever table orders are in. */
	class WC_Order {
		private $id;
		private $data;
		private $changed_from = null;

		public function __construct( $id ) {
			$this->id = (int) $id;
			$this->read();
		}

		private function read() {
			global $wpdb;
			$this->data = unserialize( $wpdb->get_var( $wpdb->prepare( 'SELECT data FROM orders WHERE id = %d', $this->id ) ) );
		}

		public static function fake_create( array $data ) {
			global $wpdb;
			$id    = 1 + (int) $wpdb->get_var( 'SELECT max(id) FROM orders' );
			$data += array(
				'status'         => 'pending',
				'total'          => '49.90',
				'currency'       => 'EUR',
				'key'            => 'wc_order_' . wp_generate_password( 13, false ),
				'method'         => 'swap_pay',
				'method_title'   => 'Crypto',
				'transaction_id' => '',
				'date_paid'      => null,
				'meta'           => array(),
			);
			$wpdb->query( $wpdb->prepare( 'INSERT INTO orders (id, data) VALUES (%d, %s)', $id, serialize( $data ) ) );
			return new self( $id );
		}

		public function fake_set( $name, $value ) {
			$this->data[ $name ] = $value;
			$this->write();
			return $this;
		}

		private function write() {
			global $wpdb;
			$wpdb->query( $wpdb->prepare( 'UPDATE orders SET data = %s WHERE id = %d', serialize( $this->data ), $this->id ) );
		}

		public function get_id() {
			return $this->id;
		}

		public function get_order_number() {
			return (string) $this->id;
		}

		public function get_order_key() {
			return $this->data['key'];
		}

		public function key_is_valid( $key ) {
			return hash_equals( $this->data['key'], (string) $key );
		}

		public function get_status() {
			return $this->data['status'];
		}

		public function has_status( $statuses ) {
			return in_array( $this->data['status'], (array) $statuses, true );
		}

		public function get_total() {
			return $this->data['total'];
		}

		public function get_currency() {
			return $this->data['currency'];
		}

		public function get_payment_method() {
			return $this->data['method'];
		}

		public function set_payment_method( $method ) {
			$this->data['method'] = $method;
		}

		public function set_payment_method_title( $title ) {
			$this->data['method_title'] = $title;
		}

		public function get_transaction_id() {
			return $this->data['transaction_id'];
		}

		public function get_date_paid() {
			return $this->data['date_paid'];
		}

		public function is_paid() {
			return $this->has_status( array( 'processing', 'completed' ) );
		}

		public function needs_payment() {
			return $this->has_status( array( 'pending', 'failed' ) ) && $this->data['total'] > 0;
		}

		public function get_meta( $key ) {
			return isset( $this->data['meta'][ $key ] ) ? $this->data['meta'][ $key ] : '';
		}

		public function update_meta_data( $key, $value ) {
			$this->data['meta'][ $key ] = $value;
		}

		public function delete_meta_data( $key ) {
			unset( $this->data['meta'][ $key ] );
		}

		public function save_meta_data() {
			$changed = $this->data;
			$this->read();
			$this->data['meta'] = $changed['meta'];
			$this->write();
			$this->data = $changed;
		}

		public function set_status( $status, $note = '' ) {
			if ( $status !== $this->data['status'] ) {
				$this->changed_from   = array( $this->data['status'], $note );
				$this->data['status'] = $status;
				if ( $this->is_paid() && null === $this->data['date_paid'] ) {
					$this->data['date_paid'] = time();
				}
			}
		}

		public function save() {
			$this->write();
			if ( null !== $this->changed_from ) {
				list( $from, $note ) = $this->changed_from;
				$this->changed_from  = null;
				do_action( 'woocommerce_order_status_' . $this->data['status'], $this->id, $this );
				$this->add_order_note( "{$note}Order status changed from {$from} to {$this->data['status']}." );
			}
			return $this->id;
		}

		public function update_status( $status, $note = '' ) {
			$this->set_status( $status, $note );
			$this->save();
			return true;
		}

		public function payment_complete( $transaction_id = '' ) {
			if ( $this->has_status( array( 'on-hold', 'pending', 'failed', 'cancelled' ) ) ) {
				$this->data['transaction_id'] = $transaction_id;
				$this->data['date_paid']      = $this->data['date_paid'] ? $this->data['date_paid'] : time();
				$this->set_status( 'processing' );
				$this->save();
				do_action( 'woocommerce_payment_complete', $this->id, $transaction_id );
			}
			return true;
		}

		public function add_order_note( $words, $is_customer_note = 0, $added_by_user = false ) {
			fake_line( $is_customer_note ? 'customer note' : 'note', $this->id, $words );
		}

		public function get_checkout_order_received_url() {
			return SHOP_URL . '/checkout/order-received/' . $this->id . '/?key=' . $this->data['key'];
		}

		public function get_checkout_payment_url() {
			return SHOP_URL . '/checkout/order-pay/' . $this->id . '/?key=' . $this->data['key'];
		}

		public function get_edit_order_url() {
			return admin_url( 'admin.php?page=wc-orders&id=' . $this->id );
		}
	}

	/** WooCommerce itself, as WC() returns it. */
	class Fake_WooCommerce {
		public function api_request_url( $request ) {
			return SHOP_URL . '/?wc-api=' . $request;
		}
	}

	class Fake_Logger {
		public function log( $level, $words, $context = array() ) {
			fake_line( 'log', 0, "$level $words" );
		}
	}

	function WC() {
		return new Fake_WooCommerce();
	}

	function wc_get_logger() {
		return new Fake_Logger();
	}

	function wc_get_order( $id ) {
		global $wpdb;
		return $wpdb->get_var( $wpdb->prepare( 'SELECT 1 FROM orders WHERE id = %d', $id ) ) ? new WC_Order( $id ) : false;
	}

	function wc_get_orders( array $query ) {
		global $wpdb;
		$found = array();
		foreach ( $wpdb->get_col( 'SELECT id FROM orders ORDER BY id' ) as $id ) {
			$order = new WC_Order( $id );
			if ( $order->has_status( $query['status'] ) && $query['payment_method'] === $order->get_payment_method() ) {
				$found[] = (int) $id;
			}
		}
		return array_slice( $found, 0, $query['limit'] );
	}

	function wc_get_price_decimals() {
		return 2;
	}

	function wc_format_decimal( $number, $places ) {
		return number_format( (float) $number, $places, '.', '' );
	}

	function wc_trim_string( $text, $length ) {
		return mb_substr( $text, 0, $length );
	}

	function wc_add_notice( $words, $kind = 'success' ) {
		fake_line( "notice $kind", 0, $words );
	}

	function wc_get_checkout_url() {
		return SHOP_URL . '/checkout/';
	}

	function wc_get_page_permalink( $page ) {
		return SHOP_URL . '/' . $page . '/';
	}

	function wc_get_page_screen_id( $for ) {
		return 'woocommerce_page_wc-orders';
	}

	function get_woocommerce_currency() {
		return 'EUR';
	}

	function is_order_received_page() {
		return '' !== get_query_var( 'order-received' );
	}

	/** Keep a line: a note of an order, a notice, a line of the log. */
	function fake_line( $kind, $owner, $words ) {
		global $wpdb;
		$wpdb->query( $wpdb->prepare( 'INSERT INTO order_lines (kind, owner, words) VALUES (%s, %d, %s)', $kind, $owner, $words ) );
	}

	/** The kept lines of a kind, oldest first. */
	function fake_lines( $kind, $owner = 0 ) {
		global $wpdb;
		return $wpdb->get_col( $wpdb->prepare( 'SELECT words FROM order_lines WHERE kind = %s AND owner = %d ORDER BY id', $kind, $owner ) );
	}
}
