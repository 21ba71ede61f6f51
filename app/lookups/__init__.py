"""Where a transaction is: what the books and a node say of it, as far as the one who asks may know (contract, 12)."""
