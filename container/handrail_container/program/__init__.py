"""A model directory becomes a program: what is in it, what it requires, and what it asks of the engine."""
