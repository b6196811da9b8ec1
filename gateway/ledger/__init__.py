"""The database of record: the port, and the in-memory reference."""
