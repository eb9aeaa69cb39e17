"""The echo engine, for laptops and tests: it answers with its own input."""
