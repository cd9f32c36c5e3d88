"""The demo's pictures as the network gets them."""

import zlib
from pathlib import Path
from typing import NamedTuple

from .networks import ROOT
from .run import Failed

CLASSES = ('brick', 'gravel', 'stars')


class Picture(NamedTuple):
    path: Path
    label: int  # 1: defective


def training_pictures(per_class: int) -> list[Picture]:
    return [Picture(p, 0) for name in CLASSES for p in _files(ROOT / 'demo' / name / 'train/good')[:per_class]]


def test_pictures(per_folder: int) -> list[Picture]:
    folders = [folder for name in CLASSES for folder in sorted((ROOT / 'demo' / name / 'test').iterdir())]
    return [Picture(p, int(folder.name != 'good')) for folder in folders for p in _files(folder)[:per_folder]]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob('*.jpg'))


def crop_offset(resize: int, crop: int) -> int:
    return round((resize - crop) / 2)  # half to even, as everywhere


def prepare(pictures: list[Picture], resize: int, crop: int, to: Path) -> int:
    """Writes RGB bytes, one picture after the other, and returns their checksum."""
    try:
        from PIL import Image
    except ImportError as error:
        raise Failed('Pillow is not installed') from error
    offset, checksum = crop_offset(resize, crop), 0
    with open(to, 'wb') as file:
        for picture in pictures:
            with Image.open(picture.path) as image:
                small = image.convert('RGB').resize((resize, resize), Image.Resampling.BILINEAR)
            data = small.crop((offset, offset, offset + crop, offset + crop)).tobytes()
            file.write(data)
            checksum = zlib.crc32(data, checksum)
    return checksum
