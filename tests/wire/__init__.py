"""Raw bytes of HTTP, and what this server and others make of them."""
