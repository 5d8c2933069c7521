"""Puts a figure beside the run and into every logger that takes images."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import WandbLogger
from matplotlib.figure import Figure


def log_figure(figure: Figure, name: str, trainer: Trainer, log_dir: Path) -> Path:
    """Save a figure as PNG and log it, then close it.

    Args:
        figure: what is logged.
        name: ``figures/<name>`` in the loggers, ``figures/<name>.png`` in the run's folder (the newest replaces it).
        trainer: gives step and loggers.
        log_dir: the run's folder.

    Returns:
        The PNG file.
    """
    path = log_dir / "figures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.png")
    figure.savefig(temporary, dpi=110)
    temporary.replace(path)
    plt.close(figure)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(f"figures/{name}", [str(path)], step=trainer.global_step)
    return path
