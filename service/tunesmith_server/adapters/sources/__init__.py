"""Files elsewhere that datasets are imported from: in folders, on web servers, in buckets.

Nothing is allowed unless a setting says so. Callers choose the URI, so each kind of source defends
itself: folders against `..` and links that lead out, web servers against being a way into this
network, buckets against names outside a prefix.
"""

from tunesmith_server.adapters.sources.opener import UriSources

__all__ = ["UriSources"]
