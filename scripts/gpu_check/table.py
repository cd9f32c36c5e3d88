"""The table of operations on the device, each held against plain loops and finite differences, and its times."""

from .run import Run, program_environment

MODES = ('support', 'test', 'grad')


def stage(run: Run) -> str:
    program = run.build / 'dinomaly_table'
    on_device, environment = ('--backend', 'cuda'), program_environment()
    last = {mode: run.command(program, mode, *on_device, env=environment).strip().splitlines()[-1] for mode in MODES}
    perf = run.command(program, 'perf', *on_device, '--precision', 'bf16', env=environment)
    (run.temporary / 'perf.txt').write_text(perf)
    return '; '.join(f'{mode}: {line}' for mode, line in last.items())
