"""The server's routes and default handlers."""
