LOW = "low"
