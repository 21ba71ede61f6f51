-- A page of addresses keeps room for new versions of its rows: a reservation then changes no index.
ALTER TABLE deposit_addresses SET (fillfactor = 70);
