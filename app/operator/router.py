"""The router of `/desk` and its guard: operators with TOTP alone; to everybody else there is nothing here."""
