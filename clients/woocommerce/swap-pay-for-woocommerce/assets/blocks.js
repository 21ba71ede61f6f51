/* Registers the payment method in WooCommerce's checkout block. Plain JavaScript: there is no build step. */
( function () {
	'use strict';

	var registry = window.wc && window.wc.wcBlocksRegistry;
	var settings = window.wc && window.wc.wcSettings;
	if ( ! registry || ! settings ) {
		return;
	}
	var data = settings.getPaymentMethodData
		? settings.getPaymentMethodData( 'swap_pay', {} )
		: settings.getSetting( 'swap_pay_data', {} );
	var text = window.wp.htmlEntities.decodeEntities;
	var element = window.wp.element.createElement;
	var title = text( data.title || '' );

	registry.registerPaymentMethod( {
		name: 'swap_pay',
		label: element( 'span', null, title ),
		ariaLabel: title,
		content: element( 'p', null, text( data.description || '' ) ),
		edit: element( 'p', null, text( data.description || '' ) ),
		placeOrderButtonLabel: text( data.button || '' ),
		canMakePayment: function () {
			return true;
		},
		supports: { features: data.supports || [ 'products' ] },
	} );
} )();
