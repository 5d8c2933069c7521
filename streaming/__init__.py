"""Enhancing a signal as it arrives, and telling what is in it; neither torch nor Lightning is needed."""
