"""The node's gRPC side: the link to gateways, and the registration with one of them."""
