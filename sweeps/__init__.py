"""Trains and tests several networks with one recipe: what is left to do, and doing it in processes."""
