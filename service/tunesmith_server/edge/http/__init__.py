"""The OpenAI-compatible port: the guide's legacy endpoints and the modern ones.

It decodes, calls one use case, encodes; whatever is decided, is decided in the app layer, for this
edge and for gRPC alike. Statements about OpenAI's surface are sourced in docs/reference/openai.md.
"""
