"""Read models of one merchant: the dashboard's figures, balances, reviews, the history of an invoice, the activity log.

Every statement here is limited to one merchant, and where its rows have one to a mode. Nothing is written."""
