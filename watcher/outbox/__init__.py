"""What was promised in a transaction and is done outside, once."""
