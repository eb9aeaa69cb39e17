"""One process's life: listen, load, serve, drain, stop."""
