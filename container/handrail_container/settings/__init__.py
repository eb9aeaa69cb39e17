"""What the operator set: a typed field for each variable, and the reading of them."""
