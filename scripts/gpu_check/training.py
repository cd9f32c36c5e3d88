"""A training run on the demo's pictures, compared with the curve that a CPU wrote; then the trained model's scores in each
precision, compared with those that PyTorch gives it on the CPU.
"""

import json
import random
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from .compare import absolute, auroc, expect_below, relative, swapped_pairs
from .golden import TOLERANCES
from .networks import SMALL, TINY, Network, small_encoder, tiny_weights
from .pictures import Picture, prepare, test_pictures, training_pictures
from .run import Failed, Run
from .tensors import Entry, safetensors_entries, safetensors_metadata, write_index, write_safetensors

EXPECTED = Path(__file__).with_name('expected.safetensors')
MAPS_KEPT = 8
MAP_SIZE = 256 * 256
LOSS_SHARE, MAP_DIFFERENCE = 1e-2, 1e-2
MOST_SWAPPED = {'f32': 0, 'tf32': 2, 'bf16': 2}
CLIP_NORM = 0.1
PERTURBATION = 1e-6
# Steps through the pictures by which every epoch takes each of them once: no prime divides how many there are.
STRIDES = (37, 41, 43, 47, 53, 59, 61, 67, 71)


@dataclass(frozen=True)
class Training:
    network: Network
    weights: Callable[[], list[Entry]]  # the rest is drawn
    resize: int
    crop: int
    steps: int
    batch: int
    train_per_class: int
    test_per_folder: int
    warmup: int = 10
    cosine_end: int = 60  # the length of the schedule: steps beyond are at its final learning rate
    discard_warmup: int = 1000
    dropout: float = 0.2
    seed: int = 1

    def order(self, count: int) -> list[int]:
        epochs = range(-(-self.steps * self.batch // count))
        order = [i * STRIDES[epoch % len(STRIDES)] % count for epoch in epochs for i in range(count)]
        return order[: self.steps * self.batch]


# The settings let a difference shrink: it grows a thousandfold at the full learning rate, at first while the weights are small
# and again from step 45 on, and so does a patch that hard mining takes in another's place. CONTRIBUTING.md has the figures.
DEMO = Training(SMALL, small_encoder, 128, 112, 200, 4, 32, 100)
# For the emulated device, which takes a ten thousandth of a GPU's speed.
EMULATED = Training(TINY, tiny_weights, 64, 56, 3, 2, 2, 1)


class Prepared(NamedTuple):
    """Everything that both sides of the comparison get."""

    training: Training
    train_pixels: Path
    test_pixels: Path
    test: list[Picture]
    train_count: int
    checksum: str

    @property
    def network_flags(self) -> list[str]:
        return self.training.network.flags(self.training.dropout, self.training.seed)

    @property
    def kept(self) -> list[int]:
        """The pictures whose maps are compared, from the first to the last."""
        last = len(self.test) - 1
        return [round(i * last / (MAPS_KEPT - 1)) for i in range(MAPS_KEPT)]


def prepare_training(run: Run, training: Training) -> Prepared:
    train, test = training_pictures(training.train_per_class), test_pictures(training.test_per_folder)
    paths = [run.temporary / name for name in ('train.rgb', 'test.rgb')]
    sums = [
        prepare(pictures, training.resize, training.crop, path) for pictures, path in zip((train, test), paths, strict=True)
    ]
    return Prepared(training, *paths, test, len(train), f'{sums[0]:08x} {sums[1]:08x}')


def train(run: Run, prepared: Prepared, program: Path) -> dict[str, Entry]:
    t = prepared.training
    order = t.order(prepared.train_count)
    return run.check(
        'trained',
        *('train', '--pixels', prepared.train_pixels, '--side', str(t.crop), *prepared.network_flags),
        *('--weights', write_index(run.temporary / 'start.index', t.weights()), '--precision', 'f32'),
        *('--batch', str(t.batch), '--order', ','.join(map(str, order)), '--clip-norm', str(CLIP_NORM)),
        *('--iterations', str(t.cosine_end), '--warmup', str(t.warmup), '--discard-warmup', str(t.discard_warmup)),
        program=program,
    )


def weights_after(run: Run, prepared: Prepared, trained: dict[str, Entry]) -> Path:
    """The index of the trained model."""
    weights = {e.name: e for e in prepared.training.weights()}
    weights.update((name, e) for name, e in trained.items() if name not in ('losses', 'gradient_norms'))
    return write_index(run.temporary / 'trained.index', list(weights.values()))


def score(run: Run, prepared: Prepared, weights: Path, precision: str, program: Path) -> dict[str, Entry]:
    return run.check(
        f'scores-{precision}',
        *('score', '--pixels', prepared.test_pixels, '--side', str(prepared.training.crop), '--batch', '16'),
        *(*prepared.network_flags, '--weights', weights, '--precision', precision),
        program=program,
    )


def kept_maps(prepared: Prepared, maps: array) -> array:
    kept = array('f')
    for i in prepared.kept:
        kept.extend(maps[i * MAP_SIZE : (i + 1) * MAP_SIZE])
    return kept


def perturbed(entries: list[Entry], to: Path) -> list[Entry]:
    """Each weight by up to a millionth of it, some ten roundings, to see how much such a difference grows."""
    drawn = random.Random(1)
    changed = {e.name: array('f', (w * (1 + PERTURBATION * drawn.uniform(-1, 1)) for w in e.read())) for e in entries}
    write_safetensors(to, {name: ('F32', weights) for name, weights in changed.items()}, {})
    written = safetensors_entries(to)
    return [written[e.name]._replace(shape=e.shape) for e in entries]


def write_expected(run: Run, training: Training, program: Path, to: Path) -> str:
    """With the CPU's program."""
    prepared = prepare_training(run, training)
    trained = train(run, prepared, program)
    found = score(run, prepared, weights_after(run, prepared, trained), 'f32', program)
    scores = found['scores'].read()
    tensors = {
        'losses': ('F32', trained['losses'].read()),
        'scores': ('F32', scores),
        'maps': ('F16', kept_maps(prepared, found['maps'].read())),
    }
    write_safetensors(to, tensors, {'pictures': prepared.checksum, 'maps': json.dumps(prepared.kept)})
    image_auroc = auroc(list(scores), [picture.label for picture in prepared.test])
    return f'{to.name}: losses from {tensors["losses"][1][0]:.4f} to {tensors["losses"][1][-1]:.4f}, AUROC {image_auroc:.4f}'


def compare_curve(losses: array, expected: array) -> float:
    if len(losses) != len(expected):
        raise Failed(f'expected {len(expected)} losses, found {len(losses)}')
    largest = 0.0
    for step, (loss, before) in enumerate(zip(losses, expected, strict=True)):
        largest = max(largest, expect_below(f'loss of step {step}, relative', abs(loss - before) / before, LOSS_SHARE))
    return largest


def compare_with_cpu(run: Run, prepared: Prepared, weights: Path, precision: str) -> str:
    """Of one and the same trained model."""
    cpu = safetensors_entries(run.temporary / 'pytorch.safetensors')
    found = score(run, prepared, weights, precision, run.check_program)
    tensors, scores = TOLERANCES[precision]
    maps = relative(found['maps'].read(), cpu['maps'].read())
    expect_below(f'{precision}: maps of the trained model, relative', maps, tensors)
    values, reference = list(found['scores'].read()), list(cpu['scores'].read())
    difference = expect_below(f'{precision}: scores of the trained model', absolute(values, reference), scores)
    labels = [picture.label for picture in prepared.test]
    swapped = swapped_pairs(values, reference, labels)
    if swapped > MOST_SWAPPED[precision]:
        raise Failed(f'{precision}: expected at most {MOST_SWAPPED[precision]} swapped pairs, found {swapped}')
    return f'{precision} maps {maps:.1e}, scores {difference:.1e}, {swapped} pairs swapped, AUROC {auroc(values, labels):.4f}'


def check_run(run: Run, training: Training, expected: Path) -> str:
    prepared = prepare_training(run, training)
    if safetensors_metadata(expected).get('pictures') != prepared.checksum:
        raise Failed('Pillow makes other pixels of the pictures here than where the curve was written')
    before = safetensors_entries(expected)
    trained = train(run, prepared, run.check_program)
    largest = compare_curve(trained['losses'].read(), before['losses'].read())
    weights = weights_after(run, prepared, trained)
    found = score(run, prepared, weights, 'f32', run.check_program)
    difference = absolute(kept_maps(prepared, found['maps'].read()), before['maps'].read())
    expect_below('maps of the trained model against the CPU\'s run', difference, MAP_DIFFERENCE)
    swapped = swapped_pairs(list(found['scores'].read()), list(before['scores'].read()), [p.label for p in prepared.test])
    return f'{training.steps} steps: losses differ by at most {largest:.2%}, maps by {difference:.1e}, {swapped} pairs swapped'


def stage_curve(run: Run) -> str:
    if run.on_cpu:
        weights = perturbed(DEMO.weights(), run.temporary / 'perturbed.safetensors')
        return check_run(run, replace(DEMO, weights=lambda: weights), EXPECTED)
    if not run.emulated:
        return check_run(run, DEMO, EXPECTED)
    expected = run.temporary / 'expected.safetensors'
    write_expected(run, EMULATED, run.build / 'dinomaly_check_cpu', expected)
    return check_run(run, EMULATED, expected)


def stage_precisions(run: Run) -> str:
    """On the model that stage_curve() trained."""
    prepared = prepare_training(run, EMULATED if run.emulated else DEMO)
    weights = run.temporary / 'trained.index'
    if not weights.exists():
        raise Failed('no model was trained')
    network = json.dumps(prepared.training.network.__dict__)
    results = run.temporary / 'pytorch.safetensors'
    pixels, side = prepared.test_pixels, str(prepared.training.crop)
    run.pytorch('score.py', '--network', network, '--weights', weights, '--pixels', pixels, '--side', side, '--results', results)
    precisions = ['f32'] if run.on_cpu else TOLERANCES
    return '; '.join(compare_with_cpu(run, prepared, weights, precision) for precision in precisions)
