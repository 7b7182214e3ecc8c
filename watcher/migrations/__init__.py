"""Brings the stores' schemas to what this program expects."""
