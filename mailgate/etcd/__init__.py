"""etcd, asked over gRPC: a call to any of its members, a lease kept alive, a prefix followed. Gateways and the SDK use it."""
