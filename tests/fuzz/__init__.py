"""Attacks on a server: named ones, kept, and mutations of them without end. `scripts/fuzz` and tests run them."""
