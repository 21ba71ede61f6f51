"""What a merchant reads over all nouns: figures of the dashboard, the story of an invoice, cases. Scoped by merchant
and mode, each and every one; nothing is written here."""
