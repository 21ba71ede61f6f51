"""Notes that operators leave for each other on a case."""
