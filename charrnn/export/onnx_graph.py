"""A trained model -> an ONNX graph of one step, for other languages and runtimes.

    ids (B,), h0 (B, H), c0 (B, H), ... -> logits (B, V), h0_next, c0_next, ...        B is free

The equations are those of `docs/format.md`, in operators of ONNX's own. Its metadata holds the vocabulary, and the
configuration with the temperature that the head already has. What onnxruntime makes of it is held against the package's
own network before it is given out.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from charrnn import __version__
from charrnn.errors import DataError, SettingsError
from charrnn.language_model import LanguageModel
from charrnn.shapes import CELL_GATES, has_residual

OPSET = 17  # the first with LayerNormalization
CLOSE = 1e-3  # logits that differ by more are another network's
_STEPS, _LANES = 8, 3


def verified(model: LanguageModel) -> tuple[bytes, float]:
    """The file, and by how much its logits differ at most from those of the package's own network.

    Raises:
        SettingsError: onnx or onnxruntime is not installed.
        DataError: they differ.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        what, remedy = "a graph needs the packages onnx and onnxruntime", "pip install 'charrnn[onnx]'"
        raise SettingsError(what, f"{error.name} is not installed", remedy) from error
    made = _Graph(model).whole()
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    difference = _difference(model, session)
    if not difference <= CLOSE:
        raise DataError("the graph is not the network", f"logits differ by {difference:.2g}", "report it")
    return content, difference


def _difference(model: LanguageModel, session: Any) -> float:
    ours, generator = model.networks.numpy, np.random.default_rng(0)
    state, names = ours.initial_state(_LANES), [each.name for each in session.get_inputs()[1:]]
    theirs, worst = [np.zeros((_LANES, model.checkpoint.config.hidden), dtype=np.float32) for _ in names], 0.0
    for _ in range(_STEPS):
        ids = generator.integers(len(model.vocabulary), size=_LANES)
        logits, state = ours.step(ids, state)
        found, *theirs = session.run(None, {"ids": ids, **dict(zip(names, theirs, strict=True))})
        worst = max(worst, float(np.abs(found - logits).max()))
    return worst


class _Graph:
    """The nodes of a network, added one by one; each method names what it makes."""

    def __init__(self, model: LanguageModel) -> None:
        self.model, self.config = model, model.checkpoint.config
        self.nodes: list[Any] = []
        self.held: list[Any] = []
        for name, array in model.checkpoint.calibrated.items():
            self._constant(name, array)

    def whole(self) -> Any:
        """The model."""
        from onnx import helper

        c, v = self.config, self.model.vocabulary
        inputs, outputs, x = [self._value("ids", int)], list[Any](), self._inputs()
        for layer in range(c.layers):
            parts = ["h", "c"] if c.cell == "lstm" else ["h"]
            state = [f"{part}{layer}" for part in parts]
            inputs += [self._value(name, float, c.hidden) for name in state]
            after = self._cell(layer, x, state)
            for name, found in zip(state, after, strict=True):
                self._add("Identity", [found], f"{name}_next")
                outputs.append(self._value(f"{name}_next", float, c.hidden))
            x = self._finish(layer, after[0], x)
        self._add("Gemm", [x, "head.weight", "head.bias"], "logits", transB=1)
        outputs.insert(0, self._value("logits", float, len(v)))
        graph = helper.make_graph(self.nodes, "charrnn", inputs, outputs, self.held)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        made.producer_name, made.producer_version = "charrnn", __version__
        settings = {key: getattr(c, key) for key in ("cell", "layers", "hidden", "embedding", "layer_norm", "residual")}
        helper.set_model_props(made, {"vocabulary": json.dumps(asdict(v)), "config": json.dumps(settings)})
        return made

    def _value(self, name: str, kind: type, width: int | None = None) -> Any:
        from onnx import TensorProto, helper

        dtype = TensorProto.INT64 if kind is int else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, dtype, ["B"] if width is None else ["B", width])

    def _constant(self, name: str, array: Any) -> str:
        from onnx import numpy_helper

        self.held.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _add(self, operator: str, inputs: Sequence[str], name: str = "", **settings: Any) -> str:
        from onnx import helper

        name = name or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **settings))
        return name

    def _inputs(self) -> str:
        """X (B, inputs) of layer 0."""
        if self.config.embedding:
            return self._add("Gather", ["embedding.weight", "ids"])
        depth = self._constant("symbols", np.array(len(self.model.vocabulary), dtype=np.int64))
        return self._add("OneHot", ["ids", depth, self._constant("off_on", np.array([0, 1], dtype=np.float32))])

    def _cell(self, layer: int, x: str, state: list[str]) -> list[str]:
        """The state after the step: h, or h and c."""
        weights = f"layers.{layer}.cell."
        a = self._gates(x, f"{weights}weight_ih_l0", f"{weights}bias_ih_l0")
        b = self._gates(state[0], f"{weights}weight_hh_l0", f"{weights}bias_hh_l0")
        if self.config.cell == "gru":
            r, z = (self._add("Sigmoid", [self._add("Add", [a[k], b[k]])]) for k in (0, 1))
            n = self._add("Tanh", [self._add("Add", [a[2], self._add("Mul", [r, b[2]])])])
            kept = self._add("Mul", [z, self._add("Sub", [state[0], n])])
            return [self._add("Add", [n, kept])]
        sums = [self._add("Add", pair) for pair in zip(a, b, strict=True)]
        if self.config.cell == "rnn":
            return [self._add("Tanh", sums)]
        i, f, o = (self._add("Sigmoid", [sums[k]]) for k in (0, 1, 3))
        g = self._add("Tanh", [sums[2]])
        c = self._add("Add", [self._add("Mul", [f, state[1]]), self._add("Mul", [i, g])])
        return [self._add("Mul", [o, self._add("Tanh", [c])]), c]

    def _gates(self, x: str, weight: str, bias: str) -> list[str]:
        from onnx import helper

        product, gates = self._add("Gemm", [x, weight, bias], transB=1), CELL_GATES[self.config.cell]
        if gates == 1:
            return [product]
        names = [f"{product}_{k}" for k in range(gates)]
        sizes = self._constant(f"{product}_sizes", np.full(gates, self.config.hidden, dtype=np.int64))
        self.nodes.append(helper.make_node("Split", [product, sizes], names, axis=1))
        return names

    def _finish(self, layer: int, h: str, x: str) -> str:
        """LayerNorm and the residual connection."""
        if self.config.layer_norm:
            norm = [f"layers.{layer}.norm.weight", f"layers.{layer}.norm.bias"]
            h = self._add("LayerNormalization", [h, *norm], axis=-1, epsilon=1e-5)
        return self._add("Add", [h, x]) if has_residual(self.config, layer) else h
