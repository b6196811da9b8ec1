"""The kernel: what the gateway, the sender nodes and a client share; and, above everything, the command line."""

__version__ = "0.1.0"
