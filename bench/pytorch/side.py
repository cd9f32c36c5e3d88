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
    """The network; compiled block by block, since all blocks of a kind share what is compiled."""
    torch.manual_seed(1)
    torch.set_num_threads(work['threads'])
    model = Dinomaly(**work['network'])
    if COMPILED:
        for block in (*model.encoder.blocks, *model.bottleneck, *model.decoder):
            block.compile(dynamic=False)
    return model


def scorer(work: dict) -> Callable[[], object]:
    model = built(work).eval()
    pictures = torch.from_numpy(batch(work['batch'], work['size']))

    def call() -> object:
        with torch.inference_mode():
            return model.scored(pictures)

    return call


def ready(call: Callable[[], object]) -> Run:
    if COMPILED:
        call()  # compiles
    return timed(call)


def stepper(work: dict, cached: bool) -> Callable[[], object]:
    model = built(work).train()
    optimizer = StableAdamW(model.trained())
    pictures = torch.from_numpy(batch(work['batch'], work['size']))
    features = model.encode(pictures) if cached else None
    return lambda: train_step(model, optimizer, features or model.encode(pictures), RATE, DISCARDED)


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
        'score': lambda work: ready(scorer(work)),
        'train': lambda work: ready(stepper(work, cached=False)),
        'train-cached': lambda work: ready(stepper(work, cached=True)),
        'start': start,
        'memory': memory,
        'memory-train': memory_of_training,
    },
)
