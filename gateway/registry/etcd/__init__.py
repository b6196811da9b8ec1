"""The registry of several gateways: nodes and gateways in etcd, each entry under the lease of the gateway that wrote it."""
