"""How the program runs: threads, clocks, and places where a test may end it."""
