"""The LightningModule, its losses, its checkpoints and the command that runs it."""
