"""What the demo holds entries to: the rules once more in SQL, and the Buzz service's own books."""
