"""Preparation of public corpora: one file per corpus, and what they share to become one folder with manifests."""
