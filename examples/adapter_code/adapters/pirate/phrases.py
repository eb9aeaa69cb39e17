"""A module of the adapter's own: another adapter may have one of the same name."""

SIGNATURE = "the pirate"
