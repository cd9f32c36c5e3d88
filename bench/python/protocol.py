"""What bench/sides/protocol.mjs says, for sides in Python."""

import json
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[int], dict]


def timed(call: Callable[[], object]) -> Run:
    """A run that does the same again and again."""

    def run(calls: int) -> dict:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return {'milliseconds': (time.perf_counter() - start) * 1e3}

    return run


def once(measure: Callable[[], float]) -> Run:
    return lambda calls: {'value': measure()}


def batch(count: int, side: int) -> np.ndarray:
    """A normalised batch (count, 3, side, side) of noise."""
    return np.random.default_rng(1).standard_normal((count, 3, side, side), dtype=np.float32)


def picture(side: int) -> np.ndarray:
    """RGB bytes (side, side, 3) of noise."""
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)


def peak_megabytes() -> float:
    """The most memory that this process has had."""
    kibibytes = re.search(r'^VmHWM:\s+(\d+) kB$', Path('/proc/self/status').read_text(), re.MULTILINE)
    return int(kibibytes[1]) * 1024 / 1e6


def serve(version: str, preparers: dict[str, Callable[[dict], Run]]) -> None:
    """Answers until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request['do'] == 'run':
                answer = run(request['calls'])
            else:
                run = preparers[request['work']['kind']](request['work'])
                answer = {'ready': True, 'version': version}
        except Exception:
            answer = {'error': traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)
