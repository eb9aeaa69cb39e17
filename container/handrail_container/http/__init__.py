"""HTTP as every wing speaks it: one shape of errors, the framing of answers, bounds on what is sent."""
