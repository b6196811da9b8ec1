"""Ready work: the port, and the in-memory reference."""
