"""Serves scripts that are written for DJL Serving's LMI container: formatters, handlers, and `handle(inputs)`."""
