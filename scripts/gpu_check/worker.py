"""A program that times what it is asked for, line by line: dinomaly_check bench or bench/pytorch/peer.py."""

import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from .networks import ROOT
from .run import Failed, Run


class Timing(NamedTuple):
    milliseconds: float  # of a call
    bytes_used: int  # of the device, by all programs


class Worker:
    """Killed when the stage's time is over, so that no answer is waited for in vain."""

    def __init__(self, run: Run, name: str, *command: str | Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.errors = open(run.temporary / f'{name}.log', 'w+')
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=ROOT,
            env=env,
        )
        self.deadline = run.stage_deadline
        self.timer = threading.Timer(max(self.deadline - time.monotonic(), 0), self.process.kill)
        self.timer.start()

    def __enter__(self) -> 'Worker':
        try:
            self.description = self.read()
        except Failed:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.timer.cancel()
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def read(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            if time.monotonic() >= self.deadline:
                raise Failed(f'{self.name} took longer than the stage has')
            self.errors.seek(0)
            raise Failed(f'{self.name} ended early: {self.errors.read().strip()[-3000:]}')
        return line.strip()

    def ask(self, work: str, calls: int) -> Timing:
        try:
            print(work, calls, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # read() tells why
        milliseconds, used = self.read().split()
        return Timing(float(milliseconds), int(used))
