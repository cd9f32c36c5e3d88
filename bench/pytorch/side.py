"""PyTorch's sides of `npm run bench`, on the CPU in f32: `side.py eager|compile`."""

import time

BEGIN = time.perf_counter()  # before PyTorch is imported, which is part of a start

import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from network import Dinomaly  # noqa: E402
from training import StableAdamW, train_step  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'python'))
from protocol import Run, batch, once, peak_megabytes, serve, timed  # noqa: E402

RATE, DISCARDED = 1e-4, 0.5  # of a training step; they change nothing in its time
COMPILED = sys.argv[1] == 'compile'


def built(work: dict) -> Dinomaly:
    torch.manual_seed(1)
    torch.set_num_threads(work['threads'])
    return Dinomaly(**work['network'])


def compiled(function: Callable) -> Callable:
    return torch.compile(function, dynamic=False) if COMPILED else function


def scorer(work: dict) -> Callable[[], object]:
    model = built(work).eval()
    if COMPILED:
        torch._inductor.config.freezing = True  # weights packed once
    function = compiled(model.scored)
    pictures = torch.from_numpy(batch(work['batch'], work['size']))

    def call() -> object:
        with torch.inference_mode() if not COMPILED else torch.no_grad():
            return function(pictures)

    with torch.no_grad():
        model.encoder.positions(work['size'] // model.encoder.patch)  # there before anything is compiled
    return call


def score(work: dict) -> Run:
    call = scorer(work)
    for _ in range(2):
        call()
    return timed(call)


def stepper(work: dict, cached: bool) -> Callable[[], object]:
    model = built(work).train()
    optimizer = StableAdamW(model.trained())
    pictures = torch.from_numpy(batch(work['batch'], work['size']))
    encode, model.decode = compiled(model.encode), compiled(model.decode)
    with torch.no_grad():
        model.encoder.positions(work['size'] // model.encoder.patch)
    features = encode(pictures) if cached else None
    return lambda: train_step(model, optimizer, features or encode(pictures), RATE, DISCARDED)


def train(work: dict, cached: bool = False) -> Run:
    call = stepper(work, cached)
    for _ in range(2 if COMPILED else 1):
        call()
    return timed(call)


def start(work: dict) -> Run:
    def measure() -> float:
        scorer(work)()
        return time.perf_counter() - BEGIN

    return once(measure)


def memory(work: dict) -> Run:
    def measure() -> float:
        call = scorer(work)
        for _ in range(work['pictures']):
            call()
        return peak_megabytes()

    return once(measure)


def memory_of_training(work: dict) -> Run:
    def measure() -> float:
        call = stepper(work, cached=False)
        for _ in range(1 + work['steps']):
            call()
        return peak_megabytes()

    return once(measure)


serve(
    torch.__version__,
    {
        'score': score,
        'train': train,
        'train-cached': lambda work: train(work, cached=True),
        'start': start,
        'memory': memory,
        'memory-train': memory_of_training,
    },
)
