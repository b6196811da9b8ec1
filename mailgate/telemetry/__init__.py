"""Names, logs, metrics and traces."""
