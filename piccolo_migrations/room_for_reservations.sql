-- A page of addresses keeps room for a new version of each of its rows: a reservation then changes no index. The row has
-- five, and is changed twice for each invoice.
ALTER TABLE deposit_addresses SET (fillfactor = 50);
