<?php
/**
 * Why something can't be done, for whoever asked.
 *
 * @package Swap_Pay
 */

defined( 'ABSPATH' ) || exit;

/**
 * Its message is a whole translated sentence that a customer or the shop's people may read.
 */
final class Swap_Pay_Refusal extends Exception {
}
