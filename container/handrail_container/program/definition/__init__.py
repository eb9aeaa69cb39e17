"""Reads `run_inference` definitions (YAML with includes and references) and adapters, and makes models of them."""
