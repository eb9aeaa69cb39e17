"""Finds, checks and calls a script's handlers, in any style."""
