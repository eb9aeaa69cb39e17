"""What Truss Models do here, beside what they do on Truss's own server."""
