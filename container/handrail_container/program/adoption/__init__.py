"""What a script asks of the engine that it builds, and what becomes of it here."""
