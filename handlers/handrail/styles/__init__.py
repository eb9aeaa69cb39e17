"""Whole-model styles: scripts and directories in the form of another server."""
