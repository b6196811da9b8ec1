"""Which nodes there are: the port, and the in-memory registry."""
