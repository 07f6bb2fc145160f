"""HTTP clients of a token endpoint: what try, run and conformance send."""
