"""What the ``lightning`` command does: fit, validate, test and predict from a configuration file."""

from __future__ import annotations

import logging
import os
import pickle
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO

from checkpoints.yaml_file import read_yaml
from datamodules.enhancement_data import EnhancementDataModule
from lightning_modules.checkpoint_io import WholeCheckpointIO
from lightning_modules.checkpoints import CheckpointError, check_file
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.initial_weights import check_initial_weights
from lightning_modules.interruption import stopping_in_order
from lightning_modules.newest_checkpoint import find_newest_checkpoint
from networks.framing import FrameGrid
from storage.full_disk import DiskFullError, is_full


def _num_frequencies(grid: FrameGrid | dict[str, int]) -> int:
    """Return the bins of the spectrum; the link passes the parsed or the built grid."""
    return (grid if isinstance(grid, FrameGrid) else FrameGrid(**grid)).num_frequencies


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the key, or the file that cannot be read."""


class EnhancementParser(LightningArgumentParser):
    """Reports a bad configuration in one line that names file or key, without two screens of usage before it."""

    def parse_path(self, path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Namespace:
        """Parse a configuration file, after a look at what it holds: errors of the parser itself name no file.

        Values that unfold without end are refused too; the parser would never come to theirs.

        Raises:
            ConfigError: naming the file, if it holds no mapping of plain values.
        """
        if os.fspath(path) != "-":  # standard input can be read only once
            content = read_yaml(Path(path))
            if not isinstance(content, dict):
                found = "nothing" if content is None else type(content).__name__
                raise ConfigError(f"{path}: expected a mapping of settings, found {found}")
        return super().parse_path(path, *args, **kwargs)

    def print_usage(self, file: Any = None) -> None:
        """Print nothing: the usage of this command is longer than any screen; ``--help`` shows it."""


class EnhancementCLI(LightningCLI):
    """LightningCLI with the framing linked from data to model and ``--ckpt_path last`` resolved to the newest run."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Link what data and model share, so that it is written once."""
        parser.add_argument(
            "--torch_threads",
            type=int | None,
            default=None,
            help="threads of torch operations in the training process; null leaves torch's choice",
        )
        for name in ("sample_rate", "window_length", "hop_length"):
            parser.link_arguments(f"data.grid.{name}", f"model.grid.{name}")
        parser.link_arguments("data.grid", "model.network.init_args.num_frequencies", compute_fn=_num_frequencies)

    def _prepare_subcommand_parser(self, klass: type, subcommand: str, **kwargs: Any) -> LightningArgumentParser:
        """Leave out Lightning's list of every logged number unless asked for: the run's table stands at the end."""
        parser: LightningArgumentParser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand in ("validate", "test"):
            parser.set_defaults(verbose=False)
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Merge arguments and files.

        Raises:
            ConfigError: naming a file that cannot be read, or with the message of a value that is refused; the parser
                itself tells what else is wrong.
        """
        with refused_values():
            super().parse_arguments(parser, args)

    def _parse_ckpt_path(self) -> None:
        """Keep the configuration as written.

        Lightning would let the hyper-parameters of ``--ckpt_path`` override it silently; a checkpoint that does not fit
        is refused instead (see :func:`lightning_modules.checkpoints.check_architecture`).
        """

    def before_instantiate_classes(self) -> None:
        """Set the threads, resolve ``--ckpt_path last`` and refuse what is no checkpoint."""
        config = self.config if self.subcommand is None else self.config[self.subcommand]
        if config.torch_threads is not None:
            if config.torch_threads < 1:
                raise ConfigError(f"torch_threads must be positive or null, got {config.torch_threads}")
            torch.set_num_threads(config.torch_threads)
        if config.get("ckpt_path") == "last":
            resuming = self.subcommand == "fit"
            config.ckpt_path = str(find_newest_checkpoint(runs_folder(config.trainer.logger), resuming))
        if config.get("ckpt_path"):
            check_file(Path(config.ckpt_path))
        elif self.subcommand == "fit" and config.model.initial_weights is not None:
            check_initial_weights(Path(config.model.initial_weights))

    def instantiate_classes(self) -> None:
        """Build everything from the configuration.

        Raises:
            ConfigError: if a value is refused by the class that it is for.
        """
        try:
            super().instantiate_classes()
            if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # no other one was asked for
                self.trainer.strategy.checkpoint_io = WholeCheckpointIO()
            if self.subcommand == "fit":
                self.model.check_devices(self.trainer.world_size)  # before other processes are started
        except (ValueError, TypeError) as error:
            raise ConfigError(str(error)) from error

    def _run_subcommand(self, subcommand: str) -> None:
        """Run it; an interrupted training leaves a checkpoint.

        Raises:
            TrainingInterrupted: instead of Lightning's exit, with the newest checkpoint.
            DiskFullError: instead of the system's error, which names no file.
        """
        try:
            with stopping_in_order(self.trainer, subcommand == "fit"):
                super()._run_subcommand(subcommand)
        except pickle.UnpicklingError as error:  # nothing but tensors and plain values is read, whatever is in the file
            raise CheckpointError(f"--ckpt_path: cannot be read as a checkpoint: {error!s:.500}") from error
        except OSError as error:
            if not is_full(error):
                raise
            raise named_full_disk(error, self.trainer) from error


def named_full_disk(error: OSError, trainer: Trainer) -> DiskFullError:
    """Give the error of a full disk the name of what was being written.

    Args:
        error: of the system, or one that was raised while Lightning closed its logs after the first one.
        trainer: whose training ended.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DiskFullError):
            return cause
        cause = cause.__context__
    name = Path(error.filename or trainer.log_dir or trainer.default_root_dir)
    modules = {frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)}
    if error.filename is None and "lightning.fabric.loggers.csv_logs" in modules:
        name /= "metrics.csv"
    return DiskFullError(error.errno, os.strerror(error.errno or 0), str(name))


class _ParsingCLI(EnhancementCLI):
    """Merges the configuration and stops there: no seed is set and nothing is built."""

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse these arguments, whatever those of the process are."""
        assert isinstance(args, list)
        with refused_values():
            self.config = parser.parse_args(args)

    def _set_seed(self) -> None:
        """Leave the process as it is."""

    def before_instantiate_classes(self) -> None:
        """Leave the process as it is."""

    def instantiate_classes(self) -> None:
        """Build nothing."""


@contextmanager
def refused_values() -> Iterator[None]:
    """Tell what is wrong with a file or value that the parser hands on as the error of who refused it.

    Raises:
        ConfigError: with that error's message.
    """
    try:
        yield
    except ValueError as error:  # of a file too: checkpoints.yaml_file.YamlError
        raise error if isinstance(error, ConfigError) else ConfigError(str(error)) from error
    except RecursionError as error:  # files are looked at before
        raise ConfigError("a value of the command line is nested too deeply") from error


def merged_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Return everything that a command line sets, files, overrides and defaults merged, as plain values.

    Args:
        arguments: of ``lightning fit``.

    Raises:
        ConfigError: if they cannot be parsed; the message names the key.
    """
    try:
        parsed = _ParsingCLI(
            EnhancementModule,
            EnhancementDataModule,
            parser_class=EnhancementParser,
            parser_kwargs={"exit_on_error": False},
            auto_configure_optimizers=False,
            args=list(arguments),
            run=False,
        )
    except ArgumentError as error:
        raise ConfigError(f"{error!s:.3000}") from error
    settings: dict[str, Any] = yaml.safe_load(parsed.parser.dump(parsed.config, skip_none=False))
    return settings


def runs_folder(loggers: Any) -> Path:
    """Return the folder of all runs that the configured CSV logger writes to.

    Raises:
        ConfigError: if no CSV logger is configured.
    """
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        if getattr(logger, "class_path", "").rsplit(".", 1)[-1] == CSVLogger.__name__:
            return Path(logger.init_args.save_dir) / logger.init_args.name
    raise ConfigError("--ckpt_path last: trainer.logger has no CSVLogger, so the folder of the runs is unknown")


def no_tip(record: logging.LogRecord) -> bool:
    """Leave out what Lightning recommends at every start: other products of its makers."""
    return "Tip:" not in record.getMessage()


def run(args: ArgsType = None, execute: bool = True) -> EnhancementCLI:
    """Run a subcommand and return the CLI with its trainer, model and data.

    Args:
        args: command-line arguments or a configuration; None reads ``sys.argv``.
        execute: False takes no subcommand and only builds the objects.

    Raises:
        ConfigError: if a value is refused by the class that it is for.
        CorpusError: if the corpus cannot be used.
        CheckpointError: if the checkpoint cannot be used.
    """
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(no_tip)  # added once, however often it is
    return EnhancementCLI(
        EnhancementModule,
        EnhancementDataModule,
        parser_class=EnhancementParser,
        save_config_kwargs={"overwrite": True},
        auto_configure_optimizers=False,
        args=args,
        run=execute,
    )
