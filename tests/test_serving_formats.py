"""XGBoost, ONNX and safetensors: the gateway answers what the library answers, and survives hostile files."""

import functools
import io
import json
import pickle
import stat
import zipfile

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy
import skops.io
import xgboost
from onnx import TensorProto, helper, numpy_helper

from serving.categories import with_categories
from serving.contract import Column
from serving.probe import probe
from serving.runtimes import MisfitError, ModelError, Output, load_runtime, skops_pipeline
from tests.gateways import COLUMNS, as_columns, flights, pipeline

NUMBERS = [Column("distance", "double", required=False), Column("hour", "long"), Column("wet", "boolean")]
REQUIRED = [Column(column.name, column.type) for column in NUMBERS]
ARGUMENTS = {"objective": "binary:logistic", "nthread": 1, "seed": 7}


@functools.cache
def numbers():
    rows, late = flights()
    return rows[["distance", "hour", "wet"]].astype("float64"), late


@functools.cache
def booster(**arguments):
    rows, late = numbers()
    return xgboost.train(ARGUMENTS | arguments, xgboost.DMatrix(rows, late), 5)


def one_by_one(runtime, columns, rows):
    return [value for i in range(rows) for value in runtime.predict_row([values[i] for values in columns])]


# --- XGBoost


@pytest.mark.parametrize("form", ["ubj", "json"])
def test_xgboost_answers_what_the_library_answers(form):
    rows, _ = numbers()
    runtime = load_runtime("xgboost", bytes(booster().save_raw(form)), NUMBERS)
    expected = booster().predict(xgboost.DMatrix(rows)).astype(float).tolist()

    assert runtime.output == Output("probability")
    assert runtime.predict(as_columns(rows), len(rows)) == expected
    assert one_by_one(runtime, as_columns(rows), 20) == expected[:20]


def test_xgboost_finds_its_features_by_name():
    rows, _ = numbers()
    runtime = load_runtime("xgboost", bytes(booster().save_raw()), NUMBERS[::-1])

    expected = booster().predict(xgboost.DMatrix(rows)).astype(float).tolist()
    assert runtime.predict(as_columns(rows[["wet", "hour", "distance"]]), len(rows)) == expected


def test_xgboost_with_several_classes_and_a_regression():
    rows, _ = numbers()
    classes = xgboost.train(
        {"objective": "multi:softprob", "num_class": 3, "nthread": 1}, xgboost.DMatrix(rows, rows.hour % 3), 3
    )
    runtime = load_runtime("xgboost", bytes(classes.save_raw()), NUMBERS)

    assert runtime.output == Output("probabilities", 3)
    assert (
        runtime.predict(as_columns(rows), len(rows))
        == classes.predict(xgboost.DMatrix(rows)).astype(float).ravel().tolist()
    )
    assert load_runtime("xgboost", bytes(booster(objective="reg:squarederror").save_raw()), NUMBERS).output == Output(
        "value"
    )


def test_xgboost_that_kept_the_rounds_after_the_best_is_not_served():
    rows, late = numbers()
    data = xgboost.DMatrix(rows, late)
    flipped = xgboost.DMatrix(rows, 1 - late)
    stopped = xgboost.train(
        ARGUMENTS, data, 20, evals=[(flipped, "other")], early_stopping_rounds=3, verbose_eval=False
    )

    with pytest.raises(MisfitError, match="rounds after early stopping"):
        load_runtime("xgboost", bytes(stopped.save_raw()), NUMBERS)
    assert load_runtime("xgboost", bytes(stopped[: stopped.best_iteration + 1].save_raw()), NUMBERS)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (NUMBERS[1:], "3 features, the signature 2 columns"),
        ([*NUMBERS[1:], Column("far", "double")], "differ in distance, far"),
        ([*NUMBERS[1:], Column("distance", "string")], "column distance is text"),
    ],
)
def test_xgboost_that_the_signature_does_not_fit(columns, why):
    with pytest.raises(MisfitError, match=why):
        load_runtime("xgboost", bytes(booster().save_raw()), columns)


def test_xgboost_with_categories_takes_words():
    rows, late = flights()
    ours = xgboost.train(ARGUMENTS | {"max_cat_to_onehot": 1}, xgboost.DMatrix(rows, late, enable_categorical=True), 5)
    bare = [Column(c.name, c.type, c.required) for c in COLUMNS]
    columns = with_categories("xgboost", bytes(ours.save_raw()), bare)
    runtime = load_runtime("xgboost", bytes(ours.save_raw("json")), columns)

    assert columns == COLUMNS
    expected = ours.predict(xgboost.DMatrix(rows, enable_categorical=True)).astype(float).tolist()
    assert runtime.predict(as_columns(rows), len(rows)) == expected
    assert one_by_one(runtime, as_columns(rows), 20) == expected[:20]
    with pytest.raises(MisfitError, match="are not those the model was trained with"):
        load_runtime(
            "xgboost", bytes(ours.save_raw()), [Column("carrier", "string", categories=["UA", "AA"]), *COLUMNS[1:]]
        )
    with pytest.raises(MisfitError, match="does not say what the codes of its categories mean"):
        with_categories("xgboost", bytes(ours[:2].save_raw()), bare)
    with pytest.raises(MisfitError, match="categories of carrier are not of its type, long"):
        with_categories("xgboost", bytes(ours.save_raw()), [Column("carrier", "long"), *bare[1:]])


@pytest.mark.parametrize("data", [b"", b"binf" + b"\x00" * 100, pickle.dumps(1), b"{}", b'{"learner": 1}'])
def test_what_is_no_xgboost_file_is_refused(data):
    with pytest.raises(ModelError):
        load_runtime("xgboost", data, NUMBERS)


@pytest.mark.parametrize(
    "data",
    [
        b"{L" + b"\x00" * 7 + b"\x01a" + b"[" * 1_000_000,  # nested, as UBJSON
        b"{L" + b"\x7f" * 8 + b"a",  # a name of 9 quintillion bytes
        bytes(booster().save_raw("ubj"))[:-200],
    ],
    ids=["deep", "long name", "cut"],
)
def test_hostile_xgboost_file_is_refused_by_the_trial(data):
    with pytest.raises(ModelError):
        probe("xgboost", data, NUMBERS)


# --- ONNX


def tensor(name, values):
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def linear(*, weight=None, nodes=(), domain="", inputs=None, outputs=("score",)):
    """A logistic regression of three columns, as a graph."""
    weight = weight or tensor("weight", [[0.5], [-0.25], [1.0]])
    body = [
        helper.make_node("MatMul", ["x", "weight"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["score"], domain=domain),
        *nodes,
    ]
    inputs = inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])]
    out = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", None]) for name in outputs]
    graph = helper.make_graph(body, "linear", inputs, out, [weight])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("elsewhere", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def test_onnx_answers_what_the_library_answers():
    rows, _ = numbers()
    data = linear().SerializeToString()
    matrix = rows.to_numpy(dtype=np.float32)
    (expected,) = onnxruntime.InferenceSession(data).run(["score"], {"x": matrix})
    runtime = load_runtime("onnx", data, NUMBERS)

    assert runtime.output == Output("value")
    assert runtime.predict(as_columns(rows), len(rows)) == pytest.approx(
        expected.astype(float).ravel().tolist(), nan_ok=True
    )
    assert one_by_one(runtime, as_columns(rows), 5) == pytest.approx(
        expected[:5].astype(float).ravel().tolist(), nan_ok=True
    )


def test_onnx_of_two_classes_answers_the_probability_of_the_second():
    two = [helper.make_node("Concat", ["score", "score"], ["probabilities"], axis=1)]
    runtime = load_runtime("onnx", linear(nodes=two, outputs=("probabilities",)).SerializeToString(), NUMBERS)

    assert runtime.output == Output("probability")
    assert runtime.predict_row([2.0, 4, True]) == pytest.approx([1 / (1 + np.exp(-1.0))])


def test_onnx_with_one_input_a_column_takes_each_by_name_and_type():
    kinds = {
        "hour": TensorProto.INT64,
        "distance": TensorProto.DOUBLE,
        "wet": TensorProto.BOOL,
        "carrier": TensorProto.STRING,
    }
    nodes = [
        helper.make_node("Cast", [name], [f"{name}_f"], to=TensorProto.FLOAT) for name in ("hour", "distance", "wet")
    ]
    nodes += [
        helper.make_node("LabelEncoder", ["carrier"], ["carrier_f"], domain="ai.onnx.ml", keys_strings=["AA", "UA"],
                         values_floats=[100.0, 200.0]),
        helper.make_node("Sum", ["hour_f", "distance_f", "wet_f", "carrier_f"], ["score"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "sum", [helper.make_tensor_value_info(name, kind, ["rows", 1]) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    data = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()

    runtime = load_runtime("onnx", data, [Column("carrier", "string"), *NUMBERS])

    assert runtime.predict([["UA", "AA"], [0.5, 0.25], [17, 3], [True, False]], 2) == [218.5, 103.25]


def external(location):
    lying = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[3, 1], data_location=TensorProto.EXTERNAL)
    lying.external_data.add(key="location", value=location)
    return lying


def nested(location):
    """The same, hidden in a branch of a node."""
    branch = helper.make_graph(
        [helper.make_node("Identity", ["hidden"], ["out"])], "branch", [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [3, 1])], [external(location)],
    )  # fmt: skip
    return [helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)]


@pytest.mark.parametrize("where", ["../../etc/passwd", "/etc/passwd", "a/../../b", "..\\b", ""])
@pytest.mark.parametrize("hidden", [False, True])
def test_onnx_that_names_files_outside_itself_is_refused(where, hidden):
    model = linear(nodes=nested(where)) if hidden else linear(weight=external(where))

    with pytest.raises(ModelError, match="lies outside the artifact") as caught:
        load_runtime("onnx", model.SerializeToString(), NUMBERS)
    assert not isinstance(caught.value, MisfitError)


@pytest.mark.parametrize(
    ("model", "columns", "why"),
    [
        (linear(weight=external("weights.bin")), NUMBERS, "in another file, 'weights.bin'; save the model as one file"),
        (linear(domain="elsewhere"), NUMBERS, "of the domain 'elsewhere', which is not served"),
        (linear(), NUMBERS[1:], "takes 3 columns, the signature has 2"),
        (linear(), [*NUMBERS[:2], Column("carrier", "string")], "column carrier is text"),
        (linear(outputs=("score", "raw")), NUMBERS, "2 outputs of floats and none is named probabilities"),
    ],
)
def test_onnx_that_is_not_served(model, columns, why):
    with pytest.raises(MisfitError, match=why):
        load_runtime("onnx", model.SerializeToString(), columns)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", pickle.dumps(1), b"\x0a" * 1000, b"\x3a\xff\xff\xff\x7f" + b"\x0a" * 50]
)
def test_what_is_no_onnx_file_is_refused(data):
    with pytest.raises(ModelError):
        load_runtime("onnx", data, NUMBERS)


def test_cut_onnx_file_is_refused_by_the_trial():
    with pytest.raises(ModelError):
        probe("onnx", linear().SerializeToString()[:-60], NUMBERS)


# --- safetensors


def dense(metadata=None, **tensors):
    tensors = tensors or {
        "0.weight": np.array([[0.5, -0.25, 1.0], [1.0, 0.0, -1.0]], dtype=np.float32),
        "0.bias": np.array([0.1, -0.1], dtype=np.float32),
        "2.weight": np.array([[1.0, -2.0]]),
        "2.bias": np.array([0.25]),
    }
    metadata = metadata if metadata is not None else {"architecture": "dense", "activation": "relu", "output": "logit"}
    return safetensors.numpy.save(tensors, metadata)


def test_dense_network_answers_what_its_layers_say():
    runtime = load_runtime("safetensors", dense(), REQUIRED)

    def by_hand(row):
        first = [
            max(0.0, 0.5 * row[0] - 0.25 * row[1] + row[2] + np.float32(0.1)),
            max(0.0, row[0] - row[2] - np.float32(0.1)),
        ]
        return 1 / (1 + np.exp(-(first[0] - 2 * first[1] + 0.25)))

    rows = [[2.0, 4, 1], [-3.0, 1, 0], [5.0, 0, 1]]
    assert runtime.output == Output("probability")
    assert runtime.predict([list(column) for column in zip(*rows, strict=True)], 3) == pytest.approx(
        [by_hand(row) for row in rows]
    )
    assert runtime.predict_row(rows[0]) == pytest.approx([by_hand(rows[0])])


def test_dense_network_with_softmax_and_without():
    one = {"0.weight": np.eye(3), "0.bias": np.zeros(3)}
    softmax = load_runtime("safetensors", dense({"architecture": "dense", "output": "softmax"}, **one), REQUIRED)
    plain = load_runtime("safetensors", dense({"architecture": "dense"}, **one), REQUIRED)

    assert softmax.output == Output("probabilities", 3)
    assert softmax.predict_row([1.0, 1, True]) == pytest.approx([1 / 3] * 3)
    assert (plain.output, plain.predict_row([0.5, 2, True])) == (Output("values", 3), [0.5, 2.0, 1.0])


@pytest.mark.parametrize(
    ("data", "columns", "why"),
    [
        (dense({}), REQUIRED, r"its architecture \(none\) has no runtime here"),
        (dense({"architecture": "llama"}), REQUIRED, r"its architecture \(llama\)"),
        (dense({"architecture": "dense", "activation": "eval"}), REQUIRED, "activation must be one of relu"),
        (dense(None, model=np.eye(3)), REQUIRED, "tensor 'model' is no weight or bias"),
        (dense(), REQUIRED[1:], "layer 0 does not take the 2 values"),
        (dense(), NUMBERS, "column distance may be missing"),
        (dense({"architecture": "dense", "output": "softmax"}), REQUIRED, "gives 1 values"),
    ],
)
def test_tensors_that_no_runtime_knows(data, columns, why):
    with pytest.raises(MisfitError, match=why):
        load_runtime("safetensors", data, columns)


def lying_header(length, header=b"{}"):
    return length.to_bytes(8, "little") + header


@pytest.mark.parametrize(
    "data",
    [
        b"",
        pickle.dumps(1),
        lying_header(4 * 1024**3),
        lying_header(2**63),
        lying_header(100_000, b"[" * 100_000),
        lying_header(2, b"{]"),
        lying_header(
            60,
            json.dumps({"a": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode().ljust(60)[:60],
        ),
        dense()[:-8],
    ],
    ids=["empty", "pickle", "header of 4 GB", "header of 2^63", "deep", "no JSON", "cut header", "cut tensors"],
)
def test_hostile_safetensors_file_is_refused(data):
    with pytest.raises(ModelError) as caught:
        load_runtime("safetensors", data, REQUIRED)
    assert not isinstance(caught.value, MisfitError)


# --- skops archives


def archive(*entries):
    """An archive with a schema and ``entries``, each a name or a ZipInfo with its content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("schema.json", "{}")
        for name, content in entries:
            made.writestr(name, content)
    return packed.getvalue()


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (archive((link("a.npy"), "/etc/passwd")), "holds a link, 'a.npy'"),
        (archive(("../a.npy", "")), r"'\.\./a\.npy', which lies outside it"),
        (archive(("/a.npy", "")), "'/a.npy', which lies outside it"),
        (archive()[:-10], "BadZipFile"),
        (pickle.dumps(1), "BadZipFile"),
    ],
)
def test_archive_that_leads_elsewhere_is_refused(data, why):  # T26
    with pytest.raises(ModelError, match=why):
        load_runtime("skops", data, NUMBERS)


def test_archive_that_unpacks_to_more_than_it_should_is_refused(monkeypatch):  # T26
    sound = skops.io.dumps(pipeline())
    monkeypatch.setattr(skops_pipeline, "MAX_UNPACKED_BYTES", 1_000_000)

    with pytest.raises(ModelError, match="unpacks to 5000002 bytes, more than 1000000"):
        load_runtime("skops", archive(("bomb.npy", b"0" * 5_000_000)), NUMBERS)
    skops_pipeline._check_archive(sound)


def test_archive_whose_entry_is_larger_than_it_says_is_refused():  # T26
    bomb = archive(("bomb.npy", b"0" * 5_000_000)).replace(
        (5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    )

    with pytest.raises(ModelError):
        load_runtime("skops", bomb, NUMBERS)


def test_sound_models_of_each_format_pass_the_trial():
    probe("xgboost", bytes(booster().save_raw()), NUMBERS)
    probe("onnx", linear().SerializeToString(), NUMBERS)
    probe("safetensors", dense(), REQUIRED)
