"""From ready jobs to nodes, and from their verdicts to the ledger."""
