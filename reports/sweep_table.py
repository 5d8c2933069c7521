"""Cost and quality of the networks of a sweep, with intervals, as rows, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reports.quality import TITLES, interval_cell
from reports.quality_intervals import Bootstrap, Difference, mean_difference
from reports.quality_scores import DENSE as OTHER
from reports.quality_scores import NOISY, SCORED, ScoreTable, beside
from reports.sweep_runs import ScoredNetwork
from reports.tested_runs import DENSE

MEASURES = ("pesq_wb", "stoi", "estoi", "si_sdr_db", "dnsmos_ovrl")  # shown where a network has a score
EQUAL_MACS = 0.03  # relative difference up to which two networks cost the same; gates meet their target within 2 %
HEAD = ("network", "utilization", "kMAC per frame", "MMAC/s", "MACs saved", "parameters")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: of the network, ``noisy`` for its input.
        network: None for the input.
        macs_saved: share of the MACs of the dense network that is saved; NaN where that is unknown.
        means: measure to mean over utterances.
        minus_dense: measure to mean difference to the dense network, on the same utterances.
        narrow: name of the network without gates that costs as many MACs, empty where there is none.
        minus_narrow: the same difference to that one.
    """

    name: str
    network: ScoredNetwork | None
    macs_saved: float
    means: dict[str, Difference]
    minus_dense: dict[str, Difference]
    narrow: str = ""
    minus_narrow: dict[str, Difference] = field(default_factory=dict)


def sweep_rows(networks: Sequence[ScoredNetwork]) -> list[Row]:
    """Compute the table.

    Args:
        networks: tested ones, in the order of the rows.

    Returns:
        The noisy input first, then one row per network.

    Raises:
        ScoresError: if a network was not tested on the mixtures of the dense one.
    """
    dense = next((network for network in networks if network.name == DENSE), None)
    full = [network.full_macs_per_frame for network in networks if np.isfinite(network.full_macs_per_frame)]
    full_macs = dense.macs_per_frame if dense is not None else max(full, default=float("nan"))
    reference = dense or networks[0]
    rows = [Row("noisy", None, float("nan"), _means(reference.scores, NOISY, reference.bootstrap), {})]
    for network in networks:
        saved = 1.0 - network.macs_per_frame / full_macs
        means = _means(network.scores, SCORED, network.bootstrap)
        to_dense = {} if dense is None or network is dense else _minus(network, dense)
        narrow = _narrow_of_equal_macs(network, networks)
        to_narrow = {} if narrow is None else _minus(network, narrow)
        rows.append(Row(network.name, network, saved, means, to_dense, narrow.name if narrow else "", to_narrow))
    return rows


def _narrow_of_equal_macs(network: ScoredNetwork, networks: Sequence[ScoredNetwork]) -> ScoredNetwork | None:
    """Return the network without gates that a gated one has to beat, if the sweep has it."""
    if network.kind in ("dense", "narrow"):
        return None
    distance = {
        each.name: abs(each.macs_per_frame / network.macs_per_frame - 1.0) for each in networks if each.kind == "narrow"
    }
    close = [each for each in networks if distance.get(each.name, 1.0) <= EQUAL_MACS]
    return min(close, key=lambda each: distance[each.name], default=None)


def _means(scores: ScoreTable, system: str, settings: Bootstrap) -> dict[str, Difference]:
    """Return the mean of every measure that has a score, as the difference to nothing."""
    columns = {name: scores.column(name, system) for name in MEASURES if name in scores.measures}
    means = {name: mean_difference(values, np.zeros_like(values), settings) for name, values in columns.items()}
    return {name: mean for name, mean in means.items() if mean.pairs}


def _minus(network: ScoredNetwork, other: ScoredNetwork) -> dict[str, Difference]:
    """Return the differences to another network on the same mixtures."""
    scores = beside(network.scores, other.scores, other.path)
    columns = {name: (scores.column(name, SCORED), scores.column(name, OTHER)) for name in scores.measures}
    found = {name: mean_difference(*columns[name], network.bootstrap) for name in MEASURES if name in columns}
    return {name: difference for name, difference in found.items() if difference.pairs}


def _shown(rows: Sequence[Row]) -> list[str]:
    """Return the measures that some row has."""
    return [name for name in MEASURES if any(name in row.means for row in rows)]


def _cost_cells(row: Row) -> list[str]:
    """Return what a network costs, readable."""
    network = row.network
    if network is None:
        return ["-"] * (len(HEAD) - 1)
    return [
        f"{network.utilization:.1%}",
        f"{network.macs_per_frame / 1e3:.1f}",
        f"{network.mmacs_per_second:.1f}",
        f"{row.macs_saved:.1%}" if np.isfinite(row.macs_saved) else "-",
        f"{network.parameters:,}",
    ]


def _markdown(cells: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose first row is its head."""
    head, *body = ("| " + " | ".join(row) + " |" for row in cells)
    return [head, "|---|" + "---:|" * (len(cells[0]) - 1), *body]


def markdown_table(rows: Sequence[Row]) -> str:
    """Return the scores, below them the differences to the dense network and to narrow ones of equal MACs."""
    measures = _shown(rows)
    titles = [TITLES[name] for name in measures]
    scores = [
        [row.name, *_cost_cells(row), *(interval_cell(row.means.get(name), name, "") for name in measures)]
        for row in rows
    ]
    lines = _markdown([[*HEAD, *titles], *scores])
    to_dense = {f"{row.name} - {DENSE}": row.minus_dense for row in rows if row.minus_dense}
    to_narrow = {f"{row.name} - {row.narrow}": row.minus_narrow for row in rows if row.minus_narrow}
    for head, compared in (("difference", to_dense), ("difference at equal MACs", to_narrow)):
        if compared:
            cells = [
                [label, *(interval_cell(found.get(name), name) for name in measures)]
                for label, found in compared.items()
            ]
            lines += ["", *_markdown([[head, *titles], *cells])]
    return "\n".join(lines) + "\n"


def _record(row: Row, measures: Sequence[str]) -> dict[str, object]:
    """Return the numbers of a row, by column."""
    record: dict[str, object] = {"network": row.name}
    if row.network is not None:
        names = ("kind", "utilization", "macs_per_frame", "mmacs_per_second", "parameters")
        record |= {name: getattr(row.network, name) for name in names} | {"macs_saved": row.macs_saved}
    if row.narrow:
        record["narrow"] = row.narrow
    for name in measures:
        for label, found in (
            ("", row.means),
            ("_minus_dense", row.minus_dense),
            ("_minus_narrow", row.minus_narrow),
        ):
            if (difference := found.get(name)) is not None:
                record |= {f"{name}{label}": difference.mean, f"{name}{label}_low": difference.low}
                record |= {f"{name}{label}_high": difference.high, f"{name}{label}_utterances": difference.pairs}
    return record


def csv_table(rows: Sequence[Row]) -> str:
    """Return the same numbers unrounded, as CSV with one line per network."""
    records = [_record(row, _shown(rows)) for row in rows]
    fields = dict.fromkeys(field for record in sorted(records, key=len, reverse=True) for field in record)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()
