"""The neighbour Redis: its layout, clients, scripts, and what they answer."""
