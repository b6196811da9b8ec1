"""What happened, told to those who watch."""
