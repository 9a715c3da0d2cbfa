"""Tunesmith's client side: the generated stubs (`tunesmith.v1`) and the dataset rules."""
