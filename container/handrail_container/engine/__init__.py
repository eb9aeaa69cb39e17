"""The engine behind one protocol, whichever it is."""
