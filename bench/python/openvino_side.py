"""OpenVINO on the network as this package exports it."""

import time
from collections.abc import Callable
from importlib.metadata import version

from protocol import Run, batch, once, peak_megabytes, serve, timed


def opened(work: dict) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    model = core.read_model(work['onnx'])
    pictures = batch(work['batch'], work['size'])
    model.reshape(list(pictures.shape))
    hints = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': 'f32'}
    request = core.compile_model(model, 'CPU', {**hints, 'INFERENCE_NUM_THREADS': work['threads']}).create_infer_request()
    return lambda: request.infer([pictures], share_inputs=True)


def score(work: dict) -> Run:
    return timed(opened(work))


def start(work: dict) -> Run:
    def measure() -> float:
        begin = time.perf_counter()
        opened(work)()
        return time.perf_counter() - begin

    return once(measure)


def memory(work: dict) -> Run:
    def measure() -> float:
        call = opened(work)
        for _ in range(work['pictures']):
            call()
        return peak_megabytes()

    return once(measure)


serve(version('openvino'), {'score': score, 'start': start, 'memory': memory})
