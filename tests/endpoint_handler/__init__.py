"""Handlers for Hugging Face's Inference Endpoints, row by row, on the echo engine."""
