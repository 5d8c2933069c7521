"""Find out what the masks of a trained network know, and write tables, figures, a page and deployable probes."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from commands.status import exit_status

EPILOG = """\
What follows `--` is given to the configuration, as to `lightning fit`. Ctrl-C stops; the same command goes on with the
sections that are left. docs/probing.md explains every table and figure.

    dyncp probe --checkpoint runs/corpus/version_0/checkpoints/last.ckpt --out report -- --data.root /data/corpus"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.usage = "dyncp probe --checkpoint FILE --out DIR [options] [-- LIGHTNING ARGUMENTS]"
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="of a gated network")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration of the training (default: the one saved by the run)"
    )
    parser.add_argument(
        "--study", type=Path, metavar="FILE", help="settings (default: those of configs/probing/study.yaml)"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="SECTION",
        help="leave out all others; may be given several times",
    )
    parser.add_argument(
        "--compare", type=Path, action="append", default=[], metavar="DIR", help="report to draw beside this one"
    )
    parser.add_argument("--anew", action="store_true", help="replace the study that --out holds")


def run(options: argparse.Namespace) -> int:
    """Make the study and return the exit status."""
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    from probing.report import write_study_report  # torch and everything else take seconds to import
    from probing.runner import StudyRequest, StudyRun
    from probing.settings import StudySettings, read_settings

    settings = StudySettings() if options.study is None else read_settings(options.study)
    request = StudyRequest(
        checkpoint=options.checkpoint,
        out=options.out,
        settings=settings,
        config=options.config,
        arguments=tuple(options.passed_on),
        only=tuple(options.only),
        anew=options.anew,
    )
    study = StudyRun(request, Console())
    study.run()
    page = write_study_report(study.identity, study.state, options.out, options.compare)
    print(f"report: {page}")
