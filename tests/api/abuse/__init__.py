"""Attacks on the shipped API, and what another client sees meanwhile."""
