"""Tensors out of files that the driver names."""

import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'scripts'))
from gpu_check.tensors import BYTES, Entry  # noqa: E402

TYPES = {'F32': torch.float32, 'F16': torch.float16}


def read_index(path: Path) -> list[Entry]:
    entries = []
    for line in path.read_text().splitlines():
        name, dtype, offset, _, shape, file = line.split(' ', 5)
        entries.append(Entry(name, dtype, tuple(map(int, shape.split(','))), Path(file), int(offset)))
    return entries


def to_tensor(entry: Entry) -> Tensor:
    """As f32."""
    with open(entry.path, 'rb') as file:
        file.seek(entry.offset)
        data = bytearray(file.read(entry.size * BYTES[entry.dtype]))
    return torch.frombuffer(data, dtype=TYPES[entry.dtype]).view(entry.shape).float()


def load(model: torch.nn.Module, entries: list[Entry]) -> None:
    """Those of the model's parameters; nothing may be missing."""
    wanted = dict(model.named_parameters())
    state = {e.name: to_tensor(e) for e in entries if e.name in wanted}
    model.load_state_dict(state)
