"""The public checkout page: what a customer may see of an invoice."""
