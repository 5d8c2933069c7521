"""The LightningModule, its losses, its checkpoints and the command that runs it."""

import os

# Threads that wait for one another sleep instead of spinning. On cores that something else uses too (a data worker is
# enough) spinning doubled the time of a training step. It must stand before torch loads its thread pool.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
