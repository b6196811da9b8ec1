"""From a job to the bytes of a message. All pure."""
