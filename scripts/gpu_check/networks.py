"""The networks that are checked, and where their weights lie."""

from dataclasses import dataclass
from pathlib import Path

from .tensors import Entry, pytorch_entries, safetensors_entries

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Network:
    dim: int
    heads: int
    depth: int
    grid: int
    registers: int
    targets: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    patch: int = 14

    def flags(self, dropout: float, seed: int) -> list[str]:
        """dinomaly_check's."""
        values = {
            'dim': self.dim,
            'heads': self.heads,
            'depth': self.depth,
            'grid': self.grid,
            'registers': self.registers,
            'targets': ','.join(map(str, self.targets)),
            'groups': '/'.join(','.join(map(str, group)) for group in self.groups),
            'dropout': dropout,
            'seed': seed,
        }
        return [text for name, value in values.items() for text in (f'--{name}', str(value))]

    def flop(self, side: int) -> int:
        """Of scoring one picture, a multiplication and an addition being two: the linear layers and softmax attention.
        Linear attention, half a hundredth of it, is left out.
        """
        patches, d = (side // self.patch) ** 2, self.dim
        tokens = 1 + self.registers + patches
        linears = 2 * tokens * 12 * d * d  # of a block: qkv 3, projection 1, two layers of 4
        softmax = 2 * 2 * tokens * tokens * d
        embedding, bottleneck = 2 * patches * 3 * self.patch**2 * d, 2 * tokens * 8 * d * d
        return embedding + (self.targets[-1] + 1) * (linears + softmax) + bottleneck + len(self.targets) * linears


_two_groups = ((0, 1, 2, 3), (4, 5, 6, 7))
TINY = Network(128, 2, 6, 5, 4, (1, 2, 3, 4), ((0, 1), (2, 3)))
SMALL = Network(384, 6, 12, 37, 0, tuple(range(2, 10)), _two_groups)  # models/'s encoder
BASE = Network(768, 12, 12, 37, 4, tuple(range(2, 10)), _two_groups)


def tiny_weights() -> list[Entry]:
    """The whole golden network."""
    return list(pytorch_entries(ROOT / 'test/golden/tiny/dinomaly.pth').values())


def small_encoder() -> list[Entry]:
    entries = safetensors_entries(ROOT / 'models/dinov2_vits14.safetensors')
    used = [e for name, e in entries.items() if not name.startswith('norm.')]
    return [e._replace(name=f'encoder.{e.name}') for e in used]
