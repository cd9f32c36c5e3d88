"""The seven metrics with scikit-learn and scikit-image."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from protocol import Run, serve, timed

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'reference'))
from metrics_reference import all_metrics, synthetic  # noqa: E402


def write_files(work: dict) -> Run:
    """Maps, masks, labels and scores, for both sides to read."""
    folder = Path(work['data'])
    folder.mkdir(parents=True, exist_ok=True)
    maps, masks, labels, scores = synthetic(np.random.RandomState(1), work['images'], work['side'])
    for name, values, kind in (('maps.f32', maps, 'f4'), ('scores.f32', scores, 'f4'), ('masks.u8', masks, 'u1')):
        (folder / name).write_bytes(values.astype(kind).tobytes())
    (folder / 'labels.u8').write_bytes(labels.astype('u1').tobytes())
    return lambda calls: {'value': 0}


def metrics(work: dict) -> Run:
    folder, side = Path(work['data']), work['side']
    maps = np.fromfile(folder / 'maps.f32', 'f4').reshape(-1, side, side)
    masks = np.fromfile(folder / 'masks.u8', 'u1').astype(int).reshape(maps.shape)
    labels = np.fromfile(folder / 'labels.u8', 'u1').astype(int)
    scores = np.fromfile(folder / 'scores.f32', 'f4')
    return timed(lambda: all_metrics(maps, masks, scores, labels))


serve(version('scikit-learn'), {'metrics': metrics, 'write-files': write_files})
