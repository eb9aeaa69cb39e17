"""Deployment of a model directory to a SageMaker endpoint, and its deletion."""
