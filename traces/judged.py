"""Compare the networks of a shipped run that is older than paired tests, picture by picture.

    python traces/judged.py FOLDER --data PATH

Adds ``judged`` to metrics.json, each variant against the baseline on the test part, and per_picture.npz. No
choice is made by it: the networks stay what they are. Needs ``pip install 'hwsim[train]'``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hwsim.errors import HwsimError
from hwsim.sparsify.folder import PICTURES_FILE, open_run
from hwsim.sparsify.record import judged, write_pictures
from hwsim.sparsify.search import against
from hwsim.sparsify.statistics import DELTA
from hwsim.sparsify.training import Score, evaluate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="as hwsim sparsify was given it")
    args = parser.parse_args()
    try:
        judge(args.folder, args.data)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def judge(folder: Path, place: Path) -> None:
    """Measure every variant of the folder on the test part, and keep what sets it apart from the baseline.

    Raises:
        HwsimError: the data set is not the run's, or its networks do not answer as they did.
    """
    run = open_run(folder)
    data, scores = run.data(place), dict[str, Score]()
    for name in run.variants:
        module = run.module(name)
        network = {key: tensor.clone() for key, tensor in module.state_dict().items()}
        scores[name] = evaluate(module, network, data.test)
        known = run.about["variants"][name]["test"]["correct"]
        if scores[name].correct != known:
            raise HwsimError(f"{name} answers {scores[name].correct} right, {known} when it was made")
    reference = scores["baseline"]
    run.about["judged"] = {
        "test": {
            name: {} if score is reference else {"baseline": judged(against(score, reference), DELTA)}
            for name, score in scores.items()
        }
    }
    (folder / "metrics.json").write_text(json.dumps(run.about, indent=1) + "\n")
    write_pictures(folder / PICTURES_FILE, {"test": scores})
    print(json.dumps(run.about["judged"], indent=1))


if __name__ == "__main__":
    main()
