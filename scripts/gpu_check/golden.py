"""test/golden/tiny on the device: every tensor of the forward pass in each precision, and training steps in f32."""

import json
import math
from array import array

from .compare import HALF_BITS, absolute, expect_below, relative
from .networks import ROOT, TINY, tiny_weights
from .run import Failed, Run
from .tensors import Entry, safetensors_entries, write_index

FOLDER = ROOT / 'test/golden/tiny'
SIDES = (56, 70, 84)
# Largest differences allowed: of tensors, relative to the largest value; of scores, absolute.
TOLERANCES = {'f32': (1e-4, 1e-4), 'tf32': (5e-3, 1e-3), 'bf16': (3e-2, 5e-3)}


def forward_flags(run: Run, side: int) -> list[str]:
    """dinomaly_check's for the golden pictures of a side, but for the precision."""
    pictures = safetensors_entries(FOLDER / 'expected.safetensors')[f'{side}.input']
    return [
        *('forward', '--side', str(side), '--tensor', str(write_index(run.temporary / f'{side}.index', [pictures]))),
        *weights_flags(run, '0,1/2,3'),
    ]


def weights_flags(run: Run, groups: str) -> list[str]:
    flags = TINY.flags(dropout=0, seed=1)
    flags[flags.index('--groups') + 1] = groups
    return [*flags, '--weights', str(write_index(run.temporary / 'tiny.index', tiny_weights()))]


def mean_of_targets(expected: dict[str, Entry], side: int) -> array:
    targets = [expected[f'{side}.target.{i}'].read() for i in TINY.targets]
    return array('f', (sum(values) / len(values) for values in zip(*targets, strict=True)))


def check_forward(run: Run, side: int, precision: str) -> float:
    """The largest relative difference."""
    expected = safetensors_entries(FOLDER / 'expected.safetensors')
    found = run.check('forward', *forward_flags(run, side), '--precision', precision)
    tensors, scores = TOLERANCES[precision]
    largest = relative(found['mean'].read(), mean_of_targets(expected, side))
    expect_below(f'{precision}, {side} px, mean', largest, tensors)
    for name in ('tokens', 'encoder.0', 'encoder.1', 'decoder.0', 'decoder.1', 'maps', 'scores'):
        difference = relative(found[name].read(), expected[f'{side}.{name}'].read(), HALF_BITS if name == 'maps' else None)
        largest = max(largest, expect_below(f'{precision}, {side} px, {name}', difference, tensors))
    difference = absolute(found['scores'].read(), expected[f'{side}.scores'].read())
    expect_below(f'{precision}, {side} px, scores, absolute', difference, scores)
    return largest


def training_flags(run: Run, golden: dict, steps: int) -> list[str]:
    """dinomaly_check's for the golden training steps."""
    batches = safetensors_entries(FOLDER / 'training_batches.safetensors')['batches']
    count, batch, channels, side, _ = batches.shape
    pictures = batches._replace(shape=(count * batch, channels, side, side))
    groups = golden['config'].get('groups', TINY.groups)
    schedule = golden['schedule']
    return [
        *('train', '--side', str(side), '--tensor', str(write_index(run.temporary / 'batches.index', [pictures]))),
        *weights_flags(run, '/'.join(','.join(map(str, group)) for group in groups)),
        *('--batch', str(batch), '--order', ','.join(map(str, range(steps * batch)))),
        *('--iterations', str(schedule['total']), '--warmup', str(schedule['lr_warmup'])),
        *('--discard-warmup', str(schedule['discard_warmup']), '--clip-norm', str(schedule['clip_norm'])),
        *('--gradients', 'kept', '--precision', 'f32'),
    ]


def expect_close(what: str, found: float, expected: float, share: float) -> None:
    expect_below(f'{what}, relative', abs(found - expected) / abs(expected), share)


def check_sample(what: str, found: array, sample: dict) -> None:
    expect_close(f'{what}, norm', math.sqrt(math.fsum(v * v for v in found)), sample['norm'], 1e-3)
    there = [found[i] for i in sample['indices']]
    expect_below(what, absolute(there, sample['values']) / max(map(abs, found)), 1e-3)


def check_training(run: Run, variant: str, golden: dict) -> None:
    found = run.check('training', *training_flags(run, golden, len(golden['steps'])))
    losses, norms = found['losses'].read(), found['gradient_norms'].read()
    for step, loss, norm in zip(golden['steps'], losses, norms, strict=True):
        what = f'training {variant}, step {step["iteration"]}'
        expect_close(f'{what}, loss', loss, step['loss'], 1e-4)
        expect_close(f'{what}, gradient norm', norm, step['gradient_norm'], 1e-3)
    for kind, prefix in (('parameters_after', ''), ('last_gradients_before_clipping', 'gradient.')):
        for name, sample in golden[kind].items():
            check_sample(f'training {variant}, {prefix}{name}', found[prefix + name].read(), sample)


def check_repeated(run: Run, what: str, flags: list[str]) -> None:
    """That the same run gives the same bits."""
    first, second = ([entry.read() for entry in run.check('repeated', *flags).values()] for _ in range(2))
    if first != second:
        raise Failed(f'{what}: expected the same bits from the same run twice, found others')


def stage(run: Run) -> str:
    differences = {}
    for precision in TOLERANCES:
        differences[precision] = max(check_forward(run, side, precision) for side in SIDES)
    variants = json.loads((FOLDER / 'training.json').read_text())['training']
    for variant, golden in variants.items():
        check_training(run, variant, golden)
    found = ', '.join(f'{precision} {difference:.1e}' for precision, difference in differences.items())
    check_repeated(run, 'training', training_flags(run, variants['default'], steps=2))
    check_repeated(run, 'forward pass in bf16', [*forward_flags(run, 84), '--precision', 'bf16'])
    return f'forward passes differ by at most {found} of the largest value; training {", ".join(variants)} agrees; repeated bit for bit'
