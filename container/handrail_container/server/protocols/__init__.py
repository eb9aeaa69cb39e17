"""HTTP/1.1 and WebSockets on a client's connection, on uvicorn's own protocol."""
