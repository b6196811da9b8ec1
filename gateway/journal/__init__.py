"""Ledger and queue of a single machine: SQLite, one writer thread, group commit."""
