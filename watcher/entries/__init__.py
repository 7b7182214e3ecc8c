"""Entries of crucibles: who is let in, what it costs, and who gets it back."""
