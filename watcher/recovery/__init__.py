"""Redis compared with the other stores, and brought back."""
