"""What comes in: checked, split into jobs, made durable, and receipted."""
