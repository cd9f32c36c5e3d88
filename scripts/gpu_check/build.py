"""Builds what the other stages run: for the GPU that is here, or for the emulated device."""

import os
import shutil

from .networks import ROOT
from .run import Failed, Run, cores, find_tool


def ask_gpu(run: Run, *fields: str) -> list[str]:
    """nvidia-smi's answers of the GPU that programs take."""
    gpu = os.environ.get('CUDA_VISIBLE_DEVICES', '0').split(',')[0]
    rows = run.command('nvidia-smi', f'--id={gpu}', f'--query-gpu={",".join(fields)}', '--format=csv,noheader,nounits')
    return [value.strip() for value in rows.splitlines()[0].split(',')]


def options(run: Run) -> list[str]:
    common = ['-DCMAKE_BUILD_TYPE=Release', '-DDINOMALY_CHECK=ON']
    if run.emulated or run.on_cpu:
        return common
    nvcc = find_tool('nvcc')
    if not nvcc:
        raise Failed('nvcc is not there: expected it in PATH, in CUDA_PATH or in /usr/local/cuda')
    capability = ask_gpu(run, 'compute_cap')[0].replace('.', '')
    cuda = [f'-DCMAKE_CUDA_COMPILER={nvcc}', f'-DCMAKE_CUDA_ARCHITECTURES={capability}']
    return [*common, '-DDINOMALY_CPU=OFF', '-DDINOMALY_CUDA=ON', *cuda]


def build(run: Run, targets: list[str], *options: str) -> None:
    generator = ['-G', 'Ninja'] if shutil.which('ninja') else []
    run.command('cmake', '-S', ROOT, '-B', run.build, *generator, *options)
    run.command('cmake', '--build', run.build, '--parallel', cores(), '--target', *targets)


def targets(run: Run) -> list[str]:
    """What other stages run."""
    if run.on_cpu:
        return ['dinomaly_check_cpu']
    everywhere = ['dinomaly_check', 'dinomaly_table']
    return [*everywhere, 'dinomaly_check_cpu'] if run.emulated else everywhere


def stage(run: Run) -> str:
    for name in targets(run):  # or a build that fails would leave an older program to the other stages
        (run.build / name).unlink(missing_ok=True)
    build(run, targets(run), *options(run))
    return f'{", ".join(targets(run))} in {run.build}'
