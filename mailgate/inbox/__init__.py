"""The development inbox: an SMTP server that keeps what it gets, and a door to look at it."""
