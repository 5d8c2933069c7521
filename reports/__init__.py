"""Figures and tables made from what runs log."""
