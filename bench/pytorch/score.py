"""Maps and scores of pictures in f32 on the CPU: what a device's are compared with."""

import argparse
import json
from array import array
from pathlib import Path

import torch
from files import load, read_index
from gpu_check.tensors import write_safetensors
from network import Dinomaly

BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ('network', 'weights', 'pixels', 'side', 'results'):
        parser.add_argument(f'--{name}', required=True)
    arguments = parser.parse_args()
    model = Dinomaly(**json.loads(arguments.network)).eval()
    load(model, read_index(Path(arguments.weights)))
    side = int(arguments.side)
    pixels = torch.frombuffer(bytearray(Path(arguments.pixels).read_bytes()), dtype=torch.uint8).view(-1, side, side, 3)
    with torch.inference_mode():
        parts = [model(batch) for batch in pixels.split(BATCH)]
    maps, scores = (torch.cat(tensors) for tensors in zip(*parts))
    tensors = {name: ('F32', array('f', x.numpy().tobytes())) for name, x in (('maps', maps), ('scores', scores))}
    write_safetensors(Path(arguments.results), tensors, {})


if __name__ == '__main__':
    main()
