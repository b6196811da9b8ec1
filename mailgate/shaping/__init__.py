"""Shaping: what large mailbox providers want of those who send to them, as a table that gateways own and nodes keep to."""
