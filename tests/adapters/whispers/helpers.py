WORD = "softly"
