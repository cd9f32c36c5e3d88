"""compute-sanitizer over the small cases: memory errors, and races in shared memory."""

import json

from .golden import FOLDER, forward_flags, training_flags
from .run import Failed, Run, find_tool

TOOLS = ('memcheck', 'racecheck')


def cases(run: Run) -> dict[str, list[str]]:
    """A forward pass and one training step of the smallest golden network."""
    golden = json.loads((FOLDER / 'training.json').read_text())['training']['default']
    forward, training = forward_flags(run, 56), training_flags(run, golden, steps=1)
    in_bf16 = [*training[: training.index('--precision')], '--precision', 'bf16']
    return {
        'forward f32': [*forward, '--precision', 'f32'],
        'forward bf16': [*forward, '--precision', 'bf16'],
        'training f32': training,
        'training bf16': in_bf16,
    }


def stage(run: Run) -> str:
    if run.emulated:
        for flags in cases(run).values():
            run.check('sanitized', *flags)
        return 'there is none for the emulated device, whose cases ran without it'
    program = find_tool('compute-sanitizer')
    if not program and run.allow_missing:
        return 'compute-sanitizer is not installed'
    if not program:
        raise Failed('compute-sanitizer is not installed (--allow-missing goes on without it)')
    for tool in TOOLS:
        for flags in cases(run).values():
            run.check('sanitized', *flags, before=(program, '--tool', tool, '--error-exitcode', '1'))
    return f'{", ".join(TOOLS)} find nothing in {", ".join(cases(run))}'
