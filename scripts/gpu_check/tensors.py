"""Files of tensors: safetensors in and out, PyTorch's in, and the index in which dinomaly_check is told where they lie."""

import io
import json
import math
import pickle
import struct
import zipfile
from array import array
from pathlib import Path
from typing import NamedTuple

BYTES = {'F32': 4, 'F16': 2, 'U8': 1, 'I64': 8}


class Entry(NamedTuple):
    """Where a tensor lies."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def read(self) -> array:
        """Its numbers as f32."""
        with open(self.path, 'rb') as file:
            file.seek(self.offset)
            data = file.read(self.size * BYTES[self.dtype])
        if self.dtype == 'F32':
            return array('f', data)
        code = {'F16': 'e', 'U8': 'B', 'I64': 'q'}[self.dtype]
        return array('f', struct.unpack(f'<{self.size}{code}', data))


def safetensors_entries(path: Path) -> dict[str, Entry]:
    with open(path, 'rb') as file:
        size = struct.unpack('<Q', file.read(8))[0]
        header = json.loads(file.read(size))
    header.pop('__metadata__', None)
    return {
        name: Entry(name, entry['dtype'], tuple(entry['shape']), path, 8 + size + entry['data_offsets'][0])
        for name, entry in header.items()
    }


def safetensors_metadata(path: Path) -> dict[str, str]:
    with open(path, 'rb') as file:
        size = struct.unpack('<Q', file.read(8))[0]
        return json.loads(file.read(size)).get('__metadata__', {})


def write_safetensors(path: Path, tensors: dict[str, tuple[str, array]], metadata: dict[str, str]) -> None:
    """`tensors`: dtype (F32 or F16) and numbers; their shapes are flat."""
    header: dict[str, object] = {'__metadata__': metadata}
    parts, offset = [], 0
    for name, (dtype, numbers) in tensors.items():
        parts.append(struct.pack(f'<{len(numbers)}{"e" if dtype == "F16" else "f"}', *numbers))
        header[name] = {'dtype': dtype, 'shape': [len(numbers)], 'data_offsets': [offset, offset + len(parts[-1])]}
        offset += len(parts[-1])
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + b''.join(parts))


class _Storage(NamedTuple):
    key: str


class _TensorUnpickler(pickle.Unpickler):
    """Reads a state dictionary's structure; each tensor becomes its storage's key and its shape."""

    def find_class(self, module: str, name: str) -> object:
        if name == '_rebuild_tensor_v2':
            return lambda storage, offset, shape, *_: (storage.key, offset, tuple(shape))
        if (module, name) == ('collections', 'OrderedDict'):
            return dict
        if module == 'torch' and name == 'HalfStorage':
            return name
        raise pickle.UnpicklingError(f'expected tensors of float16, found {module}.{name}')

    def persistent_load(self, pid: tuple[str, ...]) -> _Storage:
        return _Storage(pid[2])


def _data_offset(path: Path, entry: zipfile.ZipInfo) -> int:
    with open(path, 'rb') as file:
        file.seek(entry.header_offset + 26)
        name_size, extra_size = struct.unpack('<HH', file.read(4))
    return entry.header_offset + 30 + name_size + extra_size


def pytorch_entries(path: Path) -> dict[str, Entry]:
    """Of a state dictionary in float16, such as test/golden/tiny's."""
    with zipfile.ZipFile(path) as archive:
        top = archive.namelist()[0].split('/')[0]
        tensors = _TensorUnpickler(io.BytesIO(archive.read(f'{top}/data.pkl'))).load()
        return {
            name: Entry(name, 'F16', shape, path, 2 * offset + _data_offset(path, archive.getinfo(f'{top}/data/{key}')))
            for name, (key, offset, shape) in tensors.items()
        }


def write_index(path: Path, entries: list[Entry]) -> Path:
    """What --weights and --tensor of dinomaly_check take."""
    lines = [
        f'{e.name} {e.dtype} {e.offset} {e.size * BYTES[e.dtype]} {",".join(map(str, e.shape))} {e.path}\n' for e in entries
    ]
    path.write_text(''.join(lines))
    return path
