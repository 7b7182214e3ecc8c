"""Endings of crucibles: votes are closed, the result is proven, written, paid and told; or everything is given back."""
