"""Leaves behind what ``lightning fit`` and ``lightning test`` do, without training: for tests of what runs when."""

from __future__ import annotations

import json
import sys
import time
import zipfile
from pathlib import Path

import yaml


def main() -> None:
    """Run as ``lightning_stand_in.py fit|test --config ... --config GENERATED [--ckpt_path FILE]``."""
    action = sys.argv[1]
    files = [Path(value) for flag, value in zip(sys.argv, sys.argv[1:], strict=False) if flag == "--config"]
    trainer = yaml.safe_load(files[-1].read_text())["trainer"]
    place = trainer["logger"][0]["init_args"]
    folder = Path(place["save_dir"]) / place["name"]
    with (folder.parent / "events.txt").open("a") as events:
        print(f"{place['name']} {action} starts", file=events, flush=True)
        time.sleep(0.3)
        if place["name"] == "broken":
            print("loading\nRuntimeError: planted")
            sys.exit(3)
        version = folder / f"version_{len(list(folder.glob('version_*')))}"
        results = version / ("quality" if action == "test" else "checkpoints")
        results.mkdir(parents=True)
        if action == "test":
            scores = [callback.get("init_args", {}).get("dense_scores") for callback in trainer["callbacks"]]
            (version / "config.yaml").write_text(files[-1].read_text())
            (results / "utterances.csv").write_text(str(scores))
        else:
            with zipfile.ZipFile(results / "last.ckpt", "w") as archive:
                archive.writestr("data", "weights")
        finished = {} if action == "test" else {"finished": place["name"] != "short"}
        (version / "summary.json").write_text(json.dumps({"stage": action, **finished}))
        print(f"{place['name']} {action} ends", file=events)


if __name__ == "__main__":
    main()
