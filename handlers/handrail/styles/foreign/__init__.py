"""Scripts that were written for another server: recognised, so that none is passed over in silence."""
