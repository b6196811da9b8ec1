"""Policies that pick a node. All pure."""
