"""Thresholds behind the ReLUs of an ONNX network, without training: agreement of its answers over density.

    python benchmarks/threshold_onnx.py MODEL.onnx PICTURES --size 299 -o FILE.json [--count 200]

Where there are no labelled pictures of a network's own task, its answers without thresholds are the measure:
how many of them stay. One number sets all thresholds: every ReLU's takes the same share of its non-zero
values away, on calibration pictures that are not measured. Densities are of all ReLUs' outputs, by elements.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from hwsim.capture.pictures import open_pictures
from hwsim.capture.preprocessing import Prepared, Preprocessing

SHARES = (0.0, 0.1, 0.2, 0.3)  # of the non-zero values, that thresholds take away
CALIBRATION = 8  # pictures, the last of the folder


@dataclass(frozen=True)
class Found:
    """A network with thresholds.

    Attributes:
        share: of every ReLU's non-zero values that its threshold takes away, on the calibration pictures.
        pictures: that were answered.
        agree: answers that are those of the network without thresholds.
        density: non-zero elements / elements of the ReLUs' outputs.
    """

    share: float
    pictures: int
    agree: int
    density: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--size", type=int, required=True, help="pictures are resized and cropped to it")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    raw = open_pictures(args.pictures)
    known = Preprocessing(size=args.size, crop=args.size)
    calibration = Prepared(raw, range(len(raw) - CALIBRATION, len(raw)), known)
    pictures = Prepared(raw, range(min(args.count, len(raw) - CALIBRATION)), known)
    model = onnx.load(args.model)
    levels = thresholds(model, calibration)
    answers, found = np.zeros(0, int), list[Found]()
    for share in SHARES:
        given, density = run(
            with_thresholds(model, {name: at[share] for name, at in levels.items()}), pictures
        )
        answers = given if share == 0 else answers
        found.append(Found(share, len(pictures), int((given == answers).sum()), density))
        print(found[-1])
    args.output.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


def relus(model: onnx.ModelProto) -> list[str]:
    """The outputs of all ReLUs."""
    return [node.output[0] for node in model.graph.node if node.op_type == "Relu"]


def thresholds(model: onnx.ModelProto, pictures: Prepared) -> dict[str, dict[float, float]]:
    """For every ReLU and every share, the value that so many of its non-zero values are not above."""
    session = watching(model, relus(model))
    sampled: dict[str, list[np.ndarray]] = {name: [] for name in relus(model)}
    for number in range(len(pictures)):
        for name, values in zip(
            sampled, session.run(list(sampled), feed(session, pictures[number])), strict=True
        ):
            sampled[name].append(values[values > 0])
    joined = {name: np.concatenate(values) for name, values in sampled.items()}
    return {
        name: {share: float(np.quantile(values, share)) if share else 0.0 for share in SHARES}
        for name, values in joined.items()
    }


def with_thresholds(model: onnx.ModelProto, levels: Mapping[str, float]) -> onnx.ModelProto:
    """The model with x where x > threshold, else 0, for every ReLU."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for number, node in enumerate(changed.graph.node):
        if node.op_type == "Relu":
            made = helper.make_node(
                "ThresholdedRelu", node.input, node.output, node.name, alpha=levels[node.output[0]]
            )
            changed.graph.node[number].CopyFrom(made)
    return changed


def watching(model: onnx.ModelProto, values: list[str]) -> onnxruntime.InferenceSession:
    """A session that can be asked for inner values, on one thread."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    changed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in values)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(changed.SerializeToString(), options, ["CPUExecutionProvider"])


def feed(session: onnxruntime.InferenceSession, picture: np.ndarray) -> dict[str, np.ndarray]:
    """The inputs of a run."""
    return {session.get_inputs()[0].name: picture[None]}


def run(model: onnx.ModelProto, pictures: Prepared) -> tuple[np.ndarray, float]:
    """Answers (N,), and the density of all maps behind (thresholded) ReLUs."""
    names = [node.output[0] for node in model.graph.node if node.op_type in ("Relu", "ThresholdedRelu")]
    session = watching(model, names)
    final = session.get_outputs()[0].name
    answers, nonzeros, elements = [], 0, 0
    for number in range(len(pictures)):
        logits, *maps = session.run([final, *names], feed(session, pictures[number]))
        answers.append(int(logits.argmax()))
        nonzeros += sum(int(np.count_nonzero(values)) for values in maps)
        elements += sum(values.size for values in maps)
    return np.array(answers), nonzeros / elements


if __name__ == "__main__":
    main()
