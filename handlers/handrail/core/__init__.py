"""Finding, checking and calling a script's handlers, whatever the style they are written in."""
