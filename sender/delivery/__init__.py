"""A job on a node: composed, handed to a connection, its verdict kept until it is settled."""
