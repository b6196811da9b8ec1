"""Warm SMTP connections."""
