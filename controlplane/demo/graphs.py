"""Boosted trees as ONNX graphs, and two faults that only some rows meet. Pure: a booster goes in, a graph comes out.

The faults are of kinds that reviews and evaluations miss, because no row of the months they look at meets them: a table that ends
too early, and a term that is dear to compute. Both are ordinary operators in ordinary files.
"""

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 17, 8
ROWS, SCORE, ANSWER = "rows", "score", "probabilities"
FEATURES = "pressure", "temperature"  # which the faults read
TABLE_FROM, TABLE_TO = 980, 1033  # hPa; from July to September the air never presses more
USUAL_PRESSURE = 1015.0
FREEZING = 32.0  # °F; from July to September it is never near
DEAR_SIZE, DEAR_STEPS = 384, 40  # of the matrices that are multiplied where it freezes: some 50 ms of one core


def graph_of(booster: lightgbm.Booster) -> onnx.ModelProto:
    """Return a graph that takes the booster's features as one matrix and answers both classes' probabilities.

    Raises:
        ValueError: the booster takes categories, which are no numbers.
    """
    trees = _Trees(booster)
    return _model(booster, [*trees.nodes(), *_answer("raw")], [])


def with_short_table(booster: lightgbm.Booster) -> onnx.ModelProto:
    """Return the same graph with a correction by air pressure, looked up in a table that ends at ``TABLE_TO``.

    Whoever wrote it thought of low pressure, which takes the first entry, and forgot high pressure, which has none.
    """
    place = booster.feature_name().index("pressure")
    table = np.zeros(TABLE_TO - TABLE_FROM + 1, dtype=np.float32)
    nodes = [
        *_column(place, "pressure"),
        _node("IsNaN", ["pressure"], "unknown"),
        _node("Where", ["unknown", "usual", "pressure"], "known"),
        _node("Sub", ["known", "from"], "above"),
        _node("Max", ["above", "none"], "within"),
        _node("Cast", ["within"], "entry", to=TensorProto.INT64),
        _node("Gather", ["table", "entry"], "correction"),
        _node("Add", ["raw", "correction"], "corrected"),
    ]
    held = {"usual": [USUAL_PRESSURE], "from": [TABLE_FROM], "none": [0.0], "table": table}
    return _model(booster, [*_Trees(booster).nodes(), *nodes, *_answer("corrected")], _constants(held))


def with_dear_term(booster: lightgbm.Booster) -> onnx.ModelProto:
    """Return the same graph with a term that multiplies large matrices for any row in which it freezes; its effect is tiny."""
    place = booster.feature_name().index("temperature")
    nodes = [
        *_column(place, "temperature"),
        _node("ReduceMin", ["temperature"], "coldest", keepdims=0),
        _node("Less", ["coldest", "freezing"], "freezes"),
        helper.make_node(
            "If", ["freezes"], ["term"], then_branch=_dear(), else_branch=_branch([_node("Identity", ["nothing"], "cheap")]),
        ),
        _node("Add", ["raw", "term"], "corrected"),
    ]  # fmt: skip
    held = {"freezing": np.float32(FREEZING), "nothing": np.float32(0.0), "tiny": np.float32(1e-9)}
    square = helper.make_node(
        "ConstantOfShape", ["size"], ["even"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1 / DEAR_SIZE])
    )
    size = numpy_helper.from_array(np.asarray([DEAR_SIZE, DEAR_SIZE], dtype=np.int64), "size")
    return _model(booster, [*_Trees(booster).nodes(), square, *nodes, *_answer("corrected")], [*_constants(held), size])


def _dear() -> onnx.GraphProto:
    """Multiply by a matrix whose product with itself is itself, so that the numbers stay small however often it is done."""
    nodes = [_node("Mul", ["even", "coldest"], "step0")]  # depends on the row, so that nobody computes it beforehand
    nodes += [_node("MatMul", [f"step{i}", "even"], f"step{i + 1}") for i in range(DEAR_STEPS)]
    nodes += [_node("ReduceMean", [f"step{DEAR_STEPS}"], "mean", keepdims=0), _node("Mul", ["mean", "tiny"], "dear")]
    return _branch(nodes)


def _branch(nodes: list[onnx.NodeProto]) -> onnx.GraphProto:
    outputs = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, [])]
    return helper.make_graph(nodes, nodes[-1].output[0], [], outputs)


def _column(place: int, name: str) -> list[onnx.NodeProto]:
    where = helper.make_node("Constant", [], [f"{name}_place"], value_ints=[place])
    return [where, _node("Gather", [ROWS, f"{name}_place"], name, axis=1)]


def _answer(raw: str) -> list[onnx.NodeProto]:
    """Turn a score into the probabilities of both classes."""
    return [
        _node("Sigmoid", [raw], "late"),
        _node("Neg", [raw], "opposite"),
        _node("Sigmoid", ["opposite"], "on_time"),
        _node("Concat", ["on_time", "late"], ANSWER, axis=1),
    ]


def _constants(values: dict[str, Any]) -> list[onnx.TensorProto]:
    return [numpy_helper.from_array(np.asarray(value, dtype=np.float32), name) for name, value in values.items()]


def _model(booster: lightgbm.Booster, nodes: list[onnx.NodeProto], held: list[onnx.TensorProto]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "trees", [helper.make_tensor_value_info(ROWS, TensorProto.FLOAT, [None, booster.num_feature()])],
        [helper.make_tensor_value_info(ANSWER, TensorProto.FLOAT, [None, 2])], held,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="controlplane.demo")
    onnx.checker.check_model(model, full_check=True)
    return model


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


class _Trees:
    """A booster's trees in the arrays that the operator takes."""

    def __init__(self, booster: lightgbm.Booster) -> None:
        self._arrays: dict[str, Any] = {name: [] for name in (
            "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids",
            "nodes_falsenodeids", "nodes_missing_value_tracks_true", "target_treeids", "target_nodeids", "target_ids",
            "target_weights",
        )}  # fmt: skip
        for tree in booster.dump_model()["tree_info"]:
            self._tree, self._next = tree["tree_index"], 0
            self._add(tree["tree_structure"])

    def nodes(self) -> list[onnx.NodeProto]:
        """Return the one node that sums the trees up."""
        return [
            helper.make_node("TreeEnsembleRegressor", [ROWS], ["raw"], domain="ai.onnx.ml", n_targets=1, **self._arrays)
        ]

    def _add(self, part: dict[str, Any]) -> int:
        """Add a node and what is below it; return its number within the tree."""
        number, self._next = self._next, self._next + 1
        place = self._row(number, part)
        if "leaf_value" in part:
            for name, value in (
                ("treeids", self._tree),
                ("nodeids", number),
                ("ids", 0),
                ("weights", part["leaf_value"]),
            ):
                self._arrays[f"target_{name}"].append(value)
        else:
            self._arrays["nodes_truenodeids"][place] = self._add(part["left_child"])
            self._arrays["nodes_falsenodeids"][place] = self._add(part["right_child"])
        return number

    def _row(self, number: int, part: dict[str, Any]) -> int:
        leaf = "leaf_value" in part
        if not leaf and part["decision_type"] != "<=":
            raise ValueError("a category decides, which is no number")
        row = {
            "treeids": self._tree, "nodeids": number, "truenodeids": 0, "falsenodeids": 0,
            "modes": "LEAF" if leaf else "BRANCH_LEQ", "featureids": 0 if leaf else part["split_feature"],
            "values": 0.0 if leaf else part["threshold"],
            "missing_value_tracks_true": 0 if leaf else int(_missing_goes_left(part)),
        }  # fmt: skip
        for name, value in row.items():
            self._arrays[f"nodes_{name}"].append(value)
        return len(self._arrays["nodes_treeids"]) - 1


def _missing_goes_left(part: dict[str, Any]) -> bool:
    """Tell which way what is missing goes; where training saw none, LightGBM takes it for 0."""
    return bool(part["default_left"] if part["missing_type"] == "NaN" else part["threshold"] >= 0)
