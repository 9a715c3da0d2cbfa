"""Blobs under their content address, in a folder of this machine or in an S3-compatible bucket.

A blob lies at `sha256/ab/abcdef…`; nothing a caller says ever becomes part of a path. It is written
under `tmp/` first and gets its address when it is complete, so a reader sees all of it or nothing.
What has arrived of an upload that may go on lies under `parts/`. Reading, listing and deleting go
through obstore in both kinds of store. Writing to a folder does not: obstore neither syncs to the
disk nor tells "disk full" from other trouble.
"""

from tunesmith_server.adapters.blobs.faults import BlobCorrupt, BlobMissing
from tunesmith_server.adapters.blobs.parts import PartWriter
from tunesmith_server.adapters.blobs.store import Blobs
from tunesmith_server.adapters.blobs.writers import BlobWriter

__all__ = ["BlobCorrupt", "BlobMissing", "BlobWriter", "Blobs", "PartWriter"]
