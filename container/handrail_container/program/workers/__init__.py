"""Runs snippets in supervised processes, one call at a time in each. A process can be stopped during a call."""
