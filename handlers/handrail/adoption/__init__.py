"""Scripts that build an engine of their own: what their text says of it, and how they are run."""
