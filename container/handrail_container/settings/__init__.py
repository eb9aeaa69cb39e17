"""The operator's settings: a typed field for each variable, and the code that reads them."""
