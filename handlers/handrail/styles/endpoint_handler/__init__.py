"""Serves handlers written for Hugging Face's Inference Endpoints: `class EndpointHandler` in a `handler.py`."""
