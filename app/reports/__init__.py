"""Read models of one merchant: the dashboard's figures, balances, reviews, the history of an invoice, the activity log.

Every statement is limited to one merchant, and to one mode where its rows have a mode. Nothing is written."""
