"""Checkpoints of trainings from elsewhere, with the configurations beside them."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from benchmarks.hostile.damage import altered, damaged, nested
from benchmarks.hostile.networks import EXTREMES, GRID, small_network
from benchmarks.hostile.target import MARK, Files, Target, demand, executes_nothing
from checkpoints.network_file import NetworkFileError
from checkpoints.training import NETWORK, read_checkpoint

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
YAMLS = (
    f"model: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{MARK}]]\n",
    f"model: !!python/object/apply:os.system ['touch {MARK}']\n",
    "model: &m {network: *m}\n",
    LAUGHS + "model: *a39\n",
    LAUGHS + f"model: {{network: {{class_path: {NETWORK}, init_args: {{dilations: *a39}}}}}}\n",
    LAUGHS + f"model: {{network: {{class_path: {NETWORK}, init_args: {{}}}}, more: *a39}}\n",
    nested("[", "]"),
    nested("{a: ", "}"),
    "\0",
    "model: [",
    "- 1",
    "",
    "1" * 5000,
    "a: 2024-99-99\n",
)


class Planted:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(MARK),)


def configuration() -> dict[str, Any]:
    """Return the configuration of a training of the small network."""
    arguments = small_network().architecture.to_plain()
    return {
        "seed_everything": 1,
        "model": {"network": {"class_path": NETWORK, "init_args": arguments}},
        "data": {"root": "/somewhere/corpus", "grid": asdict(GRID)},
    }


def saved(content: Any) -> bytes:
    """Return what torch saves."""
    import torch

    out = io.BytesIO()
    torch.save(content, out)
    return out.getvalue()


@st.composite
def archives(draw: DrawFn, content: bytes) -> bytes:
    """Return the archive with one of its members damaged, missing, or there twice."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = draw(st.sampled_from(sorted(members)))
    kind = draw(st.sampled_from(("damage", "damage", "remove", "twice", "compress")))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if kind == "compress" else zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            if name == chosen and kind == "damage":
                member = draw(damaged([member]))
            if name != chosen or kind != "remove":
                archive.writestr(name, member)
        if kind == "twice":
            archive.writestr(f"../../{chosen}", members[chosen])
    return out.getvalue()


def _states() -> list[Any]:
    """Return contents of checkpoints, of which none is right."""
    import torch

    tensors = {f"network.{name}": torch.from_numpy(value) for name, value in small_network().tensors.items()}
    first = "network.frontend.weight"
    odd: Sequence[Any] = (
        tensors[first].to_sparse(), tensors[first].half(), tensors[first].to(torch.complex64), tensors[first].bool(),
        tensors[first].to(torch.bfloat16), tensors[first][:0], tensors[first].expand(9, -1, -1, -1),
        torch.quantize_per_tensor(tensors[first], 0.1, 0, torch.qint8), torch.empty(1).expand(2**40),
        tensors[first].to("meta"), "text", None, 3, [1.0],
        *(torch.full_like(tensors[first], value) for value in EXTREMES),
    )  # fmt: skip
    states: list[Any] = [{"state_dict": tensors | {first: value}} for value in odd]
    states += [{"state_dict": tensors | {name: tensors[first]}} for name in (1, None, "network.", "x")]
    states += [tensors, {"state_dict": []}, {"state_dict": {}}, [], None, {"state_dict": tensors, "epoch": "../x"}]
    return states


@st.composite
def runs(draw: DrawFn, good: bytes, others: Sequence[bytes]) -> Files:
    """Return a checkpoint and its configuration, of which at least one is odd."""
    config = yaml.safe_dump(configuration()).encode()
    kind = draw(st.sampled_from(("bytes", "archive", "archive", "state", "planted", "config", "config", "yaml")))
    if kind == "config":
        changed = draw(altered(configuration()))
        with contextlib.suppress(UnicodeError, RecursionError, yaml.YAMLError):
            config = yaml.safe_dump(changed).encode()
    elif kind == "yaml":
        config = draw(st.sampled_from(YAMLS).map(str.encode) | damaged([config]))
    checkpoint = good
    if kind == "bytes":
        checkpoint = draw(damaged([good]))
    elif kind == "archive":
        checkpoint = draw(archives(good))
    elif kind == "state":
        checkpoint = draw(st.sampled_from(others))
    elif kind == "planted":
        checkpoint = draw(
            st.sampled_from(
                (saved(Planted()), saved({"state_dict": {"network.x": Planted()}}), pickle.dumps(Planted()))
            )
        )
    return {"run/config.yaml": config, "run/checkpoints/hostile.ckpt": checkpoint}


def checkpoint_target() -> Target:
    """Return what reads the network of a checkpoint, as enhancing and exporting do."""
    import torch

    tensors = {f"network.{name}": torch.from_numpy(value) for name, value in small_network().tensors.items()}
    good = saved({"state_dict": tensors, "epoch": 3, "global_step": 7})

    def read(folder: Path) -> None:
        with executes_nothing():
            network = read_checkpoint(folder / "run" / "checkpoints" / "hostile.ckpt")
        demand(all(value.dtype == np.float32 for value in network.tensors.values()), "tensors are not float32")
        demand("/somewhere" not in str(network.provenance), "provenance has an absolute path")

    inputs = runs(good, [saved(state) for state in _states()])
    return Target("checkpoints", inputs, read, (NetworkFileError,))
