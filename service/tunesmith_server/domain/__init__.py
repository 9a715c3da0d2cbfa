"""What the platform is about: frozen values and pure functions. No clock, no ids, no I/O."""
