"""Compiled loops of the engine: single precision, preallocated arrays, no interpreter lock."""
