"""The public checkout page: what a customer sees of an invoice, and nothing else of it."""
