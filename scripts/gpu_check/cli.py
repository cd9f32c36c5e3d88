"""The command line of scripts/gpu-check."""

import argparse
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from . import benchmark, build, golden, sanitizer, table, training
from .networks import ROOT
from .run import Run, Stage, run_stages

MINUTES = 9
SLOW_MINUTES = 30  # without a GPU


def pytorch_stage(run: Run) -> str:
    """The other side of the comparisons computes the same network."""
    return run.pytorch('golden.py').strip()


# Limits in seconds; together they are more than the whole may take, since not all take their longest at once.
STAGES = [
    Stage('build', 240, build.stage),
    Stage('table', 150, table.stage),
    Stage('golden', 60, golden.stage),
    Stage('sanitizer', 120, sanitizer.stage),
    Stage('training', 60, training.stage_curve),
    Stage('pytorch', 60, pytorch_stage),
    Stage('precisions', 60, training.stage_precisions),
    Stage('benchmark', 240, benchmark.stage),
    Stage('targets', 10, benchmark.stage_targets),
]
ON_CPU = {'build', 'training', 'precisions'}


def parse(arguments: list[str]) -> argparse.Namespace:
    names = [stage.name for stage in STAGES]
    parser = argparse.ArgumentParser(
        prog='scripts/gpu-check',
        description='Proves and measures the CUDA backend on the GPU that is here. Needs a compiler, CMake, CUDA, and Python '
        'with PyTorch and Pillow.',
    )
    without = parser.add_mutually_exclusive_group()
    without.add_argument('--emulated', action='store_true', help='without a GPU: on the emulated device, at small sizes')
    without.add_argument('--write-expected', action='store_true', help='writes the training curve, on the CPU, and no more')
    without.add_argument(
        '--perturbed',
        action='store_true',
        help='on the CPU: how far training and scores depart from what is expected if the encoder differs by a millionth',
    )
    parser.add_argument('--stages', default=','.join(names), help=f'some of {",".join(names)}')
    parser.add_argument('--build', type=Path, help='where the programs are built, or lie if build is none of the stages')
    parser.add_argument('--allow-missing', action='store_true', help='goes on without compute-sanitizer')
    parser.add_argument('--compile-mode', default='reduce-overhead', help="torch.compile's, such as max-autotune")
    parser.add_argument('--minutes', type=float, help=f'after which no stage goes on; {MINUTES}, without a GPU {SLOW_MINUTES}')
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.stages.split(',')) - set(names)
    if unknown:
        parser.error(f'--stages: expected some of {",".join(names)}, found {",".join(sorted(unknown))}')
    return chosen


def say(text: str) -> None:
    print(text, flush=True)


def write_expected(run: Run) -> str:
    return training.write_expected(run, training.DEMO, run.check_program, training.EXPECTED)


def stages_of(chosen: argparse.Namespace) -> list[Stage]:
    if chosen.write_expected:
        return [STAGES[0], Stage('expected', math.inf, write_expected)]
    names = set(chosen.stages.split(','))
    if chosen.perturbed:
        names &= ON_CPU
    return [stage for stage in STAGES if stage.name in names]


def main() -> int:
    os.environ.setdefault('CUDA_DEVICE_ORDER', 'PCI_BUS_ID')  # nvidia-smi's, or the build may be for another GPU
    chosen = parse(sys.argv[1:])
    on_cpu = chosen.write_expected or chosen.perturbed
    kind = 'cpu' if on_cpu else 'emulated' if chosen.emulated else 'cuda'
    minutes = chosen.minutes or (MINUTES if kind == 'cuda' else SLOW_MINUTES)
    folder = chosen.build or ROOT / f'build-gpu-check-{kind}'
    run = Run(
        emulated=chosen.emulated,
        build=folder.resolve(),
        allow_missing=chosen.allow_missing,
        deadline=time.monotonic() + 60 * minutes,
        compile_mode=chosen.compile_mode,
        on_cpu=on_cpu,
    )
    stages = stages_of(chosen)
    if kind != 'cuda':  # the limits are a GPU's
        stages = [replace(stage, limit=60 * minutes) for stage in stages]
    try:
        return 1 if run_stages(run, stages, say) else 0
    finally:
        run.clean()
