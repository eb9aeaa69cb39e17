"""What answers on which path."""
