"""Whole-model styles: scripts and directories in the form that another server gave them."""
