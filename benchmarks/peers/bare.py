"""The floor: uvicorn, msgspec, LightGBM's single-row call, and nothing else. ``python -m benchmarks.peers.bare MODEL PORT``.

It checks nothing, routes nothing, records nothing: what is left of a request when all that makes a gateway is taken away.
"""

import ctypes
import importlib.util
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

FEATURES = 30


class _Tensor(msgspec.Struct):
    data: list[float]


class _Request(msgspec.Struct):
    inputs: list[_Tensor]


def _single_row(model: Path) -> Any:
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise RuntimeError("LightGBM is not installed")
    library = ctypes.CDLL(str(Path(spec.origin).parent / "lib" / "lib_lightgbm.so"))
    booster, config = ctypes.c_void_p(), ctypes.c_void_p()
    library.LGBM_BoosterCreateFromModelfile(str(model).encode(), ctypes.byref(ctypes.c_int()), ctypes.byref(booster))
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster, 0, 0, -1, 1, FEATURES, b"num_threads=1", ctypes.byref(config)
    )
    row, answer = (ctypes.c_double * FEATURES)(), (ctypes.c_double * 1)()
    predict = library.LGBM_BoosterPredictForMatSingleRowFast
    given = (config, ctypes.byref(row), ctypes.byref(ctypes.c_int64()), ctypes.byref(answer))

    def call(values: list[float]) -> float:
        row[:] = values  # type: ignore[assignment]  # ctypes converts
        predict(*given)
        return answer[0]

    return call


def main() -> None:
    """Serve the model until told to stop."""
    predict = _single_row(Path(sys.argv[1]))
    decode, encode = msgspec.json.Decoder(_Request).decode, msgspec.json.Encoder().encode
    headers = [(b"content-type", b"application/json")]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        value = predict(decode(body).inputs[0].data)
        answer = encode({"outputs": [{"name": "probability", "datatype": "FP64", "shape": [1], "data": [value]}]})
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": answer})

    uvicorn.run(
        application, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", lifespan="off",
        access_log=False, log_level="error",
    )  # fmt: skip


if __name__ == "__main__":
    main()
