"""Benchmarks against peers: each in one run, with ratios."""
