"""What a client can do, one class a resource."""
