"""HTTP over sockets: bytes to requests, connections, the event loop, TLS, worker processes."""
