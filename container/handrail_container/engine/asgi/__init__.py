"""The routes of an engine's own application: called directly, ended in time, their errors in our shape."""
