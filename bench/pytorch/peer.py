"""PyTorch's side of the benchmark: times what standard input asks for, line by line.

`eager|compile score <batch> <calls>`, `eager train|train-cached <batch> <calls>`, `roof <side> <calls>`. Answers with the
milliseconds of a call and the bytes of the device that are in use by all programs, counting of this one's what it had in
use at most and not what it kept in reserve.
"""

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable

import torch
from network import Dinomaly
from torch import Tensor
from training import StableAdamW, train_step

RATE, DISCARDED = 1e-4, 0.5  # of a training step; they change nothing in its time


class Peer:
    def __init__(self, network: dict, side: int, device: str, mode: str) -> None:
        torch.manual_seed(1)
        self.network, self.side, self.device, self.mode = network, side, torch.device(device), mode
        self.calls: dict[tuple[str, ...], Callable[[], object]] = {}

    def build(self) -> Dinomaly:
        return Dinomaly(**self.network).to(self.device)

    @functools.cached_property
    def scorer(self) -> Dinomaly:
        """In bf16. A picture's positions are there before anything is compiled."""
        model = self.build().computing_in(torch.bfloat16).eval()
        with torch.inference_mode():
            model(self.pixels(1).to(self.device))
        return model

    @functools.cached_property
    def compiled(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        return torch.compile(self.scorer, mode=self.mode, dynamic=False)

    @functools.cached_property
    def trainer(self) -> tuple[Dinomaly, StableAdamW]:
        """Frozen parts in bf16, trained ones in f32 under autocast."""
        model = self.build().train()
        model.encoder.to(torch.bfloat16)
        return model, StableAdamW(model.trained())

    def pixels(self, batch: int) -> Tensor:
        host = torch.randint(256, (batch, self.side, self.side, 3), dtype=torch.uint8)
        return host.pin_memory() if self.device.type == 'cuda' else host

    def pinned(self, *shape: int) -> Tensor:
        host = torch.empty(shape)
        return host.pin_memory() if self.device.type == 'cuda' else host

    def score(self, how: str, batch: int) -> Callable[[], None]:
        """Of one picture how soon it is there; of more, how fast they go by when more are waiting."""
        model = self.compiled if how == 'compile' else self.scorer
        pixels = self.pixels(batch)
        results = [self.pinned(batch, 256, 256), self.pinned(batch)]

        def call() -> None:
            with torch.inference_mode():
                found = model(pixels.to(self.device, non_blocking=True))
                for to, result in zip(results, found, strict=True):
                    to.copy_(result.reshape(to.shape), non_blocking=True)
            if batch == 1:
                self.wait()

        return call

    def train(self, how: str, batch: int, cached: bool = False) -> Callable[[], None]:
        model, optimizer = self.trainer
        pixels = self.pixels(batch)

        def encode() -> tuple[Tensor, list[Tensor]]:
            return model.encode(model.normalised(pixels.to(self.device, non_blocking=True)))

        features = encode() if cached else None

        def call() -> None:
            with torch.autocast(self.device.type, torch.bfloat16):
                train_step(model, optimizer, features or encode(), RATE, DISCARDED)

        return call

    def call_for(self, words: tuple[str, ...]) -> Callable[[], object]:
        """Made at the first call, with its pictures."""
        if words not in self.calls:
            self.calls[words] = self.make(*words)
        return self.calls[words]

    def make(self, how: str, work: str, batch: str = '') -> Callable[[], object]:
        if how == 'roof':
            a, b = (torch.randn(int(work), int(work), device=self.device, dtype=torch.bfloat16) for _ in range(2))
            return lambda: a @ b
        if work == 'score':
            return self.score(how, int(batch))
        return self.train(how, int(batch), cached=work == 'train-cached')

    def wait(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize()

    def bytes_used(self) -> int:
        if self.device.type != 'cuda':
            return 0
        free, total = torch.cuda.mem_get_info()
        return total - free - torch.cuda.memory_reserved() + torch.cuda.max_memory_allocated()

    def answer(self, line: str) -> str:
        *words, calls = line.split()
        call = self.call_for(tuple(words))
        self.wait()
        start = time.perf_counter()
        for _ in range(int(calls)):
            call()
        self.wait()
        return f'{(time.perf_counter() - start) * 1e3 / int(calls)} {self.bytes_used()}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--network', required=True, type=json.loads)
    parser.add_argument('--side', required=True, type=int)
    parser.add_argument('--device', required=True, choices=('cuda', 'cpu'))
    parser.add_argument('--mode', required=True, help="torch.compile's")
    arguments = parser.parse_args()
    peer = Peer(arguments.network, arguments.side, arguments.device, arguments.mode)
    print(f'PyTorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}', flush=True)
    for line in sys.stdin:
        print(peer.answer(line), flush=True)


if __name__ == '__main__':
    main()
