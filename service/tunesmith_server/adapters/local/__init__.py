"""Training on this machine: the trainer as a child process, seen through its files alone."""
