"""Conv-FSENet with channel gates: plain PyTorch, no Lightning, no data."""
