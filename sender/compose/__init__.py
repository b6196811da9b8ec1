"""The room that turns a job into a whole message on the wire. Pure."""
