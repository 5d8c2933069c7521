"""Targets of a scene: one class per file, named in the configuration."""

from datamodules.targets.base import Target
from datamodules.targets.labels import Labels
from datamodules.targets.levels import Levels
from datamodules.targets.pitch import Pitch
from datamodules.targets.quality import Quality
from datamodules.targets.vad import VoiceActivity

__all__ = ["Labels", "Levels", "Pitch", "Quality", "Target", "VoiceActivity"]
