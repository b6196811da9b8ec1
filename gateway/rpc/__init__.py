"""The gRPC doors of the gateway: decode, call, encode; and the streams to the nodes."""
