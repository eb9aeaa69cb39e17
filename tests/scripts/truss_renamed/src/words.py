WORD = "renamed"
