"""Which images may be shown."""
