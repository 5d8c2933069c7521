"""Corpora, mixtures and targets, and the LightningDataModule that serves them."""
