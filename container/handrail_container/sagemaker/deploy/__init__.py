"""Putting a model directory on a SageMaker endpoint, and taking it off again."""
