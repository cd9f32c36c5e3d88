"""Holds this network against test/golden/tiny, on the CPU: the benchmark's other side computes the same thing."""

import json
import sys

import torch
from files import load, to_tensor
from gpu_check.golden import FOLDER
from gpu_check.networks import TINY, tiny_weights
from gpu_check.tensors import Entry, safetensors_entries
from network import Dinomaly, image_scores
from torch import Tensor
from training import StableAdamW, discard_rate, learning_rate, train_step


def model_of(groups: list[list[int]]) -> Dinomaly:
    model = Dinomaly(**{**TINY.__dict__, 'groups': groups}, dropout=0)
    load(model, tiny_weights())
    return model


def expect(what: str, found: Tensor, expected: Tensor, most: float) -> float:
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not difference <= most:
        sys.exit(f'{what}: expected a difference of at most {most:g}, found {difference:g}')
    return difference


def check_forward(expected: dict[str, Entry], side: int) -> float:
    model = model_of(TINY.groups).eval()
    with torch.inference_mode():
        mean, encoded = model.encode(to_tensor(expected[f'{side}.input']))
        decoded = model.decode(mean)
        maps = model.maps(encoded, decoded, side)
    found = {'encoder.0': encoded[0], 'encoder.1': encoded[1], 'decoder.0': decoded[0], 'decoder.1': decoded[1]}
    found['scores'] = image_scores(maps)
    expect(f'{side} px, maps', maps, to_tensor(expected[f'{side}.maps']), 1e-3)  # stored as float16
    return max(expect(f'{side} px, {name}', x, to_tensor(expected[f'{side}.{name}']), 1e-4) for name, x in found.items())


def check_training(variant: str, golden: dict, batches: Tensor) -> None:
    model = model_of(golden['config'].get('groups', TINY.groups))
    optimizer, schedule = StableAdamW(model.trained()), golden['schedule']
    for step in golden['steps']:
        it = step['iteration']
        rate = learning_rate(it, schedule['total'], schedule['lr_warmup'])
        discarded = discard_rate(it, schedule['discard_warmup'])
        loss, norm = train_step(model, optimizer, model.encode(batches[it]), rate, discarded, schedule['clip_norm'])
        expect(f'{variant}, step {it}, loss', loss, torch.tensor(step['loss']), 1e-4)
        expect(f'{variant}, step {it}, gradient norm', norm, torch.tensor(step['gradient_norm']), 1e-3)
    parameters = dict(model.named_parameters())
    for name, sample in golden['parameters_after'].items():
        found = parameters[name].detach().flatten()[sample['indices']]
        expect(f'{variant}, {name}', found, torch.tensor(sample['values']), 1e-3)


def main() -> None:
    torch.manual_seed(1)
    expected = safetensors_entries(FOLDER / 'expected.safetensors')
    largest = max(check_forward(expected, side) for side in (56, 70, 84))
    batches = to_tensor(safetensors_entries(FOLDER / 'training_batches.safetensors')['batches'])
    for variant, golden in json.loads((FOLDER / 'training.json').read_text())['training'].items():
        check_training(variant, golden, batches)
    print(f'PyTorch {torch.__version__} makes of the golden inputs what is expected, to {largest:.1e} of the largest value')


if __name__ == '__main__':
    main()
