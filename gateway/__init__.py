"""The stateless door: takes mail over gRPC, makes it durable, and spreads it over the nodes."""
