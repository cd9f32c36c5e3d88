"""What all stages share: where they work, the programs that they call, and how they fail."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .networks import ROOT
from .tensors import Entry, safetensors_entries

if TYPE_CHECKING:
    from .report import Results

PLACES = (Path('/usr/local/cuda/bin'), Path('/usr/lib/nvidia-cuda-toolkit/bin'))


class Failed(Exception):
    """What a check found; the stage goes on no further."""


@dataclass
class Run:
    """One call of the driver."""

    emulated: bool
    build: Path
    allow_missing: bool
    deadline: float  # of time.monotonic
    temporary: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix='gpu-check-')))
    stage_deadline: float = 0.0
    compile_mode: str = 'reduce-overhead'  # torch.compile's
    on_cpu: bool = False  # our own, in f32
    results: 'Results | None' = None  # of the benchmark

    def command(self, *command: str | Path, env: dict[str, str] | None = None) -> str:
        """What a command prints. Its time is what is left of the stage's."""
        try:
            # In a session of its own, so that what it starts ends with it.
            process = subprocess.Popen(
                [str(part) for part in command],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=env,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise Failed(f'{command[0]} is not there') from error
        said, errors = self.wait_for(process, shorten(command))
        if process.returncode != 0:
            found = (said + errors).strip()[-3000:]
            reason = found.rpartition('\n')[2]  # first, since a summary has one line for it
            raise Failed(f'{reason}\n{shorten(command)} ended with {process.returncode}:\n{found}')
        return said

    def wait_for(self, process: subprocess.Popen[str], what: str) -> tuple[str, str]:
        try:
            return process.communicate(timeout=max(self.stage_deadline - time.monotonic(), 1))
        except subprocess.TimeoutExpired as error:
            raise Failed(f'{what} took longer than the stage has') from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    @property
    def check_program(self) -> Path:
        return self.build / ('dinomaly_check_cpu' if self.on_cpu else 'dinomaly_check')

    def check(self, name: str, *flags: str | Path, program: Path | None = None, before: tuple[str, ...] = ()) -> dict[str, Entry]:
        """A command of dinomaly_check, and its results."""
        results = self.temporary / f'{name}.safetensors'
        self.command(*before, program or self.check_program, *flags, '--results', results, env=program_environment())
        return safetensors_entries(results)

    def pytorch(self, module: str, *arguments: str | Path) -> str:
        """A program of bench/pytorch, in a process of its own."""
        return self.command(sys.executable, ROOT / 'bench/pytorch' / module, *arguments)

    def clean(self) -> None:
        shutil.rmtree(self.temporary, ignore_errors=True)


def find_tool(name: str) -> str | None:
    """In PATH, in CUDA_PATH, or where CUDA is usually installed."""
    named = os.environ.get('CUDA_PATH') or os.environ.get('CUDA_HOME')
    places = [Path(named) / 'bin', *PLACES] if named else PLACES
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))


def program_environment() -> dict[str, str]:
    """Where dinomaly_check looks for cuBLASLt at last: beside nvcc, and in NVIDIA's Python wheels."""
    nvcc = find_tool('nvcc')
    beside = [Path(nvcc).resolve().parents[1] / name for name in ('lib64', 'lib')] if nvcc else []
    wheels = sorted(Path(sysconfig.get_path('purelib')).glob('nvidia/*/lib'))
    places = [os.environ.get('LD_LIBRARY_PATH', ''), *map(str, beside + wheels)]
    return {**os.environ, 'LD_LIBRARY_PATH': ':'.join(filter(None, places))}


def shorten(command: tuple[str | Path, ...]) -> str:
    text = ' '.join(str(part) for part in command)
    return text if len(text) <= 160 else f'{text[:160]}…'


@dataclass(frozen=True)
class Stage:
    name: str
    limit: float  # seconds
    body: Callable[[Run], str]  # returns what it found, in a line; raises Failed


def run_stages(run: Run, stages: list[Stage], say: Callable[[str], None]) -> int:
    """All of them, though some fail; returns how many did."""
    lines, failed = [], 0
    for stage in stages:
        say(f'== {stage.name}')
        started = time.monotonic()
        run.stage_deadline = min(started + stage.limit, run.deadline)
        try:
            if started >= run.deadline:
                raise Failed('no time was left')
            verdict, found = 'passed', stage.body(run)
        except Failed as error:
            verdict, found = 'FAILED', str(error)
        except Exception:  # the driver's own fault, which stops no other stage either
            verdict, found = 'FAILED', traceback.format_exc()
        failed += verdict == 'FAILED'
        say(found)
        lines.append(f'{stage.name}: {verdict} in {time.monotonic() - started:.0f} s: {found.partition(chr(10))[0]}')
    say('\n' + '\n'.join(lines))
    say(f'{len(stages) - failed} stages passed, {failed} failed')
    return failed


def cores() -> str:
    return str(os.cpu_count() or 1)
