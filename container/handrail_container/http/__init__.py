"""HTTP, for all other packages: one shape of errors, the framing of messages, bounds on input."""
