"""The dashboard as a workspace and a report of Weights & Biases; building them needs neither account nor network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.dashboard import Panel, Section
from storage.whole_files import replacing

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

STEP = "trainer/global_step"
NAME = "dyncp"
GRID_COLUMNS, PANEL_HEIGHT = 24, 10  # of a report
FLOW_COLUMNS, FLOW_ROWS = 3, 3  # of a section of a workspace
TITLE = "Conv-FSENet with dynamic channel pruning: what a network hears while it enhances"
INTRODUCTION = (
    "A speech-enhancement network decides frame by frame which channels it computes. These runs show how well it "
    "enhances, what that costs, and what linear probes read from the decisions alone."
)


class DashboardError(ValueError):
    """A dashboard that cannot be built or uploaded."""


def _panel(panel: Panel, layout: Any = None) -> Any:
    """Return a panel of W&B."""
    import wandb_workspaces.reports.v2 as wr

    placed: dict[str, Any] = {} if layout is None else {"layout": layout}
    if panel.kind == "media":
        return wr.MediaBrowser(title=panel.title, media_keys=list(panel.keys), num_columns=panel.per_row, **placed)
    if panel.kind == "table":
        return wr.WeavePanelSummaryTable(table_name=panel.keys[0], **placed)
    if panel.kind == "scalar":
        return wr.ScalarChart(title=panel.title, metric=panel.keys[0], **placed)
    pattern = None if panel.pattern is None else f"^{panel.pattern}$"
    return wr.LinePlot(
        title=panel.title,
        x=STEP,
        y=list(panel.keys),
        metric_regex=pattern,
        log_y=panel.log_scale or None,
        range_y=(panel.floor, None),
        title_x="optimiser steps",
        **placed,
    )


def build_workspace(sections: Sequence[Section], entity: str, project: str) -> ws.Workspace:
    """Return a workspace with the sections in order."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[
            ws.Section(
                name=section.name,
                panels=[_panel(panel) for panel in section.panels],
                is_open=section.is_open,
                layout_settings=ws.SectionLayoutSettings(columns=FLOW_COLUMNS, rows=FLOW_ROWS),
            )
            for section in sections
        ],
        settings=ws.WorkspaceSettings(x_axis=STEP),
    )


def build_report(sections: Sequence[Section], entity: str, project: str, online: bool = False) -> wr.Report:
    """Return a report: a heading, a sentence and the panels of each section.

    Args:
        sections: in order.
        entity: user or team.
        project: of the runs.
        online: name the project in the sets of runs, which looks it up; else they are those of the report's project.
    """
    import wandb_workspaces.reports.v2 as wr

    where = {"entity": entity, "project": project} if online else {}
    blocks: list[Any] = [wr.P(INTRODUCTION), wr.TableOfContents()]
    for section in sections:
        panels = [
            _panel(panel, wr.Layout(**place)) for panel, place in zip(section.panels, _grid(section), strict=True)
        ]
        blocks += [wr.H1(section.name.capitalize()), wr.P(section.about)]
        blocks.append(wr.PanelGrid(runsets=[wr.Runset(name="runs", **where)], panels=panels))
    return wr.Report(
        entity=entity, project=project, title=TITLE, description=INTRODUCTION, width="fluid", blocks=blocks
    )


def _grid(section: Section) -> list[dict[str, int]]:
    """Place panels two in a row; a wide one, media and tables, takes a row of its own."""
    places, x, y = [], 0, 0
    for panel in section.panels:
        width = GRID_COLUMNS if panel.kind in ("media", "table") else GRID_COLUMNS // 2
        if x + width > GRID_COLUMNS:
            x, y = 0, y + PANEL_HEIGHT
        places.append({"x": x, "y": y, "w": width, "h": PANEL_HEIGHT})
        x += width
    return places


def specification(sections: Sequence[Section], entity: str, project: str) -> dict[str, Any]:
    """Return workspace and report as W&B stores them, checked by its models.

    Raises:
        DashboardError: if W&B's package refuses a panel, or does not read back what it wrote.
    """
    from pydantic import ValidationError
    from wandb_workspaces.reports.v2 import internal as report_models
    from wandb_workspaces.workspaces import internal as workspace_models

    try:
        view, page = (
            build_workspace(sections, entity, project)._to_model(),
            build_report(sections, entity, project)._to_model(),
        )
        workspace = json.loads(view.spec.model_dump_json(by_alias=True, exclude_none=True))
        report = json.loads(page.spec.model_dump_json(by_alias=True, exclude_none=True))
        workspace_models.WorkspaceViewspec.model_validate(workspace)
        report_models.Spec.model_validate(report)
    except (ValidationError, TypeError) as error:
        raise DashboardError(f"wandb-workspaces refuses the dashboard: {error}") from error
    names = {"entity": entity, "project": project}
    return {"name": NAME, **names, "workspace": workspace, "report": report}


def save_specification(content: dict[str, Any], path: Path) -> None:
    """Write a specification as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def upload(sections: Sequence[Section], entity: str, project: str) -> list[str]:
    """Save workspace and report at W&B.

    Returns:
        Their addresses.

    Raises:
        DashboardError: if W&B refuses them: no such project, no right to write.
    """
    import wandb

    try:
        workspace = build_workspace(sections, entity, project).save()
        report = build_report(sections, entity, project, online=True).save(draft=False)
    except (wandb.Error, ValueError) as error:
        raise DashboardError(f"W&B did not take the dashboard for {entity}/{project}: {error}") from error
    return [workspace.url, report.url]


def has_account() -> bool:
    """Tell whether W&B knows who is uploading; never asks."""
    import wandb

    return bool(wandb.login(prompt=False))
