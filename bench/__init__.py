"""Measurements, each beside the raw limit of the machine taken in the same run. Not tests: nothing here fails."""
