"""Scripts for DJL Serving's LMI: what they do here, row by row, beside what LMI's documents and sources say."""
