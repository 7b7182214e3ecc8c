"""Brings the stores' schemas to what this program expects: numbered SQL files, each applied once, in order."""
