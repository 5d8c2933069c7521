"""Build the dashboard of W&B from code: a workspace and a report over what runs log.

Without --entity, or without an account, the specification is checked and written, and nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--entity", default="", help="user or team at W&B; leave out to write the specification only")
    parser.add_argument("--project", default="dyncp", help="project of the runs (default: dyncp)")
    parser.add_argument(
        "--run",
        type=Path,
        metavar="RUN_DIR",
        help="folder of a run, runs/NAME/version_N; panels of what it did not log are left out",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("dashboard.json"),
        metavar="FILE",
        help="specification (default: dashboard.json)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the specification, and upload it for an entity if there is an account."""
    if find_spec("wandb_workspaces") is None:
        print("error: the dashboard needs wandb-workspaces: pip install 'dyncp[wandb]'", file=sys.stderr)
        return 1
    from reports.dashboard import SECTIONS, logged_keys, sections_for
    from reports.wandb_dashboard import DashboardError, has_account, save_specification, specification, upload

    try:
        sections = SECTIONS if options.run is None else sections_for(logged_keys(options.run))
        save_specification(specification(sections, options.entity, options.project), options.out)
        panels = sum(len(section.panels) for section in sections)
        print(f"{options.out}: {len(sections)} sections, {panels} panels, checked")
        if not options.entity:
            print("not uploaded: name an entity with --entity")
        elif not has_account():
            print("not uploaded: no account is known here (`wandb login`)")
        else:
            for address in upload(sections, options.entity, options.project):
                print(address)
    except (DashboardError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
