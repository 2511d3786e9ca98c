"""Train the networks of the second answer to where the liver is, and store it with the package.

Needs nothing but numpy and takes a few minutes::

    python scripts/train_liver_audit.py scenes --out FOLDER     # renderings
    python scripts/train_liver_audit.py train --scenes FOLDER   # src/dotaliver/segmentation/audit/liver_network.npz

Everything follows from the seeds; rounding may differ between machines, so retraining gives networks that are as good,
not the same bits.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from liver_audit.scenes import Rendering

# Random patients of one anatomy
RENDERINGS = 2
STORED = Path(__file__).parents[1] / "src/dotaliver/segmentation/audit/liver_network.npz"


def make_scenes(folder: Path, count: int, part: int, parts: int) -> None:
    """Render `count` anatomies, each as several random patients, one file each; processes may share the work."""
    from liver_audit import scenes

    for number in range(part, count, parts):
        paths = [folder / f"{number * RENDERINGS + n:05}.npz" for n in range(RENDERINGS)]
        if all(path.exists() for path in paths):
            continue
        spec = scenes.training_spec(number)
        tissue = scenes.anatomy_labels(spec)
        for n, path in enumerate(paths):
            made = scenes.render(tissue, spec, np.random.default_rng([number, n, 3003]))
            _write(made, path)


def _write(made: Rendering, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_suffix(".part.npz")
    np.savez(hidden, hu=np.rint(made.hu).astype(np.int16), uptake=made.uptake.astype(np.float16), liver=made.liver)
    hidden.rename(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    scenes = commands.add_parser("scenes")
    scenes.add_argument("--out", type=Path, required=True)
    scenes.add_argument("--count", type=int, default=120)
    scenes.add_argument("--part", type=int, default=0)
    scenes.add_argument("--parts", type=int, default=1)
    train = commands.add_parser("train")
    train.add_argument("--scenes", type=Path, required=True)
    train.add_argument("--epochs", type=int, default=6)
    train.add_argument("--out", type=Path, default=STORED)
    options = parser.parse_args()
    start = time.process_time()
    if options.command == "scenes":
        make_scenes(options.out, options.count, options.part, options.parts)
    else:
        from liver_audit.training import train_networks

        train_networks(options.scenes, options.epochs, options.out)
    print(f"{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main()
