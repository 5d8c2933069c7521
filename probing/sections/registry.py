"""The sections of a study in their order, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from probing.outcome import Outcome, Section, Study
from probing.sections.conditions import conditions
from probing.sections.cost import cost
from probing.sections.deployment import deployed_bank
from probing.sections.embedding import embedding
from probing.sections.estimators import estimators
from probing.sections.examples import examples
from probing.sections.feature_sets import feature_sets, single_blocks
from probing.sections.learning import learning
from probing.sections.quality import quality
from probing.sections.refinements import refinements
from probing.sections.selection import selection
from probing.sections.speakers import COMPARED, speakers
from probing.settings import StudySettings

PROBES_FILE = "probes.safetensors"
# Sections that compare sets of features, and which; the others need the masks alone.
COMPARING: Mapping[str, Callable[[StudySettings], tuple[str, ...]]] = {
    "scores": lambda settings: settings.feature_sets,
    "speakers": lambda _: COMPARED,
}


def _scores(study: Study, outcome: Outcome) -> None:
    outcome.told["numbers"] = cost(study.module.network, study.data.score_masks, study.data.grid)
    for step in (feature_sets, single_blocks):
        for what, tables in step(study.data):
            outcome.say(what)
            outcome.add(tables)


def _conditions(study: Study, outcome: Outcome) -> None:
    outcome.add(conditions(study.data))


def _selection(study: Study, outcome: Outcome) -> None:
    selection(study.data, outcome)


def _learning(study: Study, outcome: Outcome) -> None:
    outcome.add(learning(study.data))


def _refinements(study: Study, outcome: Outcome) -> None:
    refinements(study.data, outcome)


def _speakers(study: Study, outcome: Outcome) -> None:
    outcome.add(speakers(study.data))


def _estimators(study: Study, outcome: Outcome) -> None:
    estimators(study.data, outcome)


def _embedding(study: Study, outcome: Outcome) -> None:
    outcome.add(embedding(study.data))


def _quality(study: Study, outcome: Outcome) -> None:
    outcome.add(quality(study.data, study.module))


def _examples(study: Study, outcome: Outcome) -> None:
    outcome.told["examples"] = examples(study.data, study.module, study.out)


def _probes(study: Study, outcome: Outcome) -> None:
    bank = deployed_bank(study.data, outcome.before.get("selected", {}), study.provenance)
    bank.save(study.out / PROBES_FILE)


SECTIONS: Mapping[str, Section] = {
    "scores": _scores,
    "conditions": _conditions,
    "selection": _selection,
    "learning": _learning,
    "refinements": _refinements,
    "speakers": _speakers,
    "estimators": _estimators,
    "embedding": _embedding,
    "quality": _quality,
    "examples": _examples,
    "probes": _probes,
}
BUILT_ON: Mapping[str, tuple[str, ...]] = {"probes": ("selection",)}  # what sections take from those before them
