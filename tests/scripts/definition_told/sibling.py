VALUE = "of a sibling"
