"""The SMTP conversation, as bytes in and events out. All pure."""
