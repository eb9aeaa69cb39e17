"""The gate, which every request passes: its id, key, state, admission, deadline, log, metrics and span."""
