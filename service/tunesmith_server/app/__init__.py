"""Use cases: one class a resource, one method a thing a caller can ask for."""
