"""What the server layer costs, beside others: `scripts/bench`."""
