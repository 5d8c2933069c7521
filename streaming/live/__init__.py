"""Enhancing a sound device in real time, with a view of what is heard."""
