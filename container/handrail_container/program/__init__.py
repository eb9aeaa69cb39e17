"""Turns a model directory into a program: its handlers, its requirements, and its settings for the engine."""
