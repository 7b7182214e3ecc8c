"""What no stream can tell, done to the whole topology while people are at it, and mended by commands."""
