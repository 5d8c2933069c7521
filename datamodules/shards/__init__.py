"""Corpora in tar shards: written once, read from a folder or through a cache from an object store."""
