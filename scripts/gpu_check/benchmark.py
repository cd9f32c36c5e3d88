"""Our network and PyTorch's on the same device, round by round in turns."""

import json
import math
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from . import report
from .build import ask_gpu
from .networks import BASE, ROOT, TINY, Network
from .run import Failed, Run, program_environment
from .worker import Worker

SECONDS_PER_TURN = 0.25
MEMORY_STEPS = 3
MEBI = 1 << 20


@dataclass(frozen=True)
class Plan:
    network: Network
    name: str
    side: int
    batches: tuple[int, ...]  # of scoring
    train_batch: int
    roof_sides: tuple[int, ...]  # of square products
    rounds: int
    device: str  # PyTorch's


ON_GPU = Plan(BASE, 'B14/392', 392, (1, 8, 16, 32), 16, (8192, 16384), 7, 'cuda')
EMULATED = Plan(TINY, 'tiny/56', 56, (1, 2), 2, (256,), 2, 'cpu')


@dataclass(frozen=True)
class Turn:
    """What one side does in every round."""

    work: str  # score/B14/392/b16
    side: str
    worker: Worker
    question: str
    pictures: int

    def calls(self) -> int:
        """As many as fill a turn. What is compiled or recorded at first is done by then."""
        for _ in range(3):
            milliseconds = self.worker.ask(self.question, 1).milliseconds
        return max(1, math.ceil(1e3 * SECONDS_PER_TURN / milliseconds))


def turns_of(plan: Plan, ours: Worker, peer: Worker) -> list[Turn]:
    turns = []
    for batch in plan.batches:
        work = f'score/{plan.name}/b{batch}'
        turns.append(Turn(work, 'dinomaly', ours, f'score {batch}', batch))
        turns += [Turn(work, f'pytorch-{how}', peer, f'{how} score {batch}', batch) for how in ('eager', 'compile')]
    for kind in ('train', 'train-cached'):
        work, question = f'{kind}/{plan.name}/b{plan.train_batch}', f'{kind} {plan.train_batch}'
        turns.append(Turn(work, 'dinomaly', ours, question, plan.train_batch))
        turns.append(Turn(work, 'pytorch-eager', peer, f'eager {question}', plan.train_batch))
    return turns


def used_before(run: Run) -> int:
    return 0 if run.emulated else int(ask_gpu(run, 'memory.used')[0]) * MEBI


def start_workers(run: Run, plan: Plan, stack: ExitStack) -> tuple[Worker, Worker, dict[str, int]]:
    """Both sides, and the bytes of the device that training takes each; a process's first work, so that it is all there is."""
    memory = {}
    before = used_before(run)
    flags = [*plan.network.flags(dropout=0.2, seed=1), '--precision', 'bf16', '--side', str(plan.side)]
    ours = stack.enter_context(Worker(run, 'dinomaly', run.check_program, 'bench', *flags, env=program_environment()))
    memory['dinomaly'] = ours.ask(f'train {plan.train_batch}', MEMORY_STEPS).bytes_used - before
    before = used_before(run)
    network = json.dumps(plan.network.__dict__)
    options = ['--network', network, '--side', str(plan.side), '--device', plan.device, '--mode', run.compile_mode]
    peer = stack.enter_context(Worker(run, 'pytorch', sys.executable, ROOT / 'bench/pytorch/peer.py', *options))
    memory['pytorch-eager'] = peer.ask(f'eager train {plan.train_batch}', MEMORY_STEPS).bytes_used - before
    return ours, peer, memory


def roof_now(plan: Plan, peer: Worker) -> float:
    """FLOP a second of the best bf16 product."""
    rates = []
    for side in plan.roof_sides:
        peer.ask(f'roof {side}', 2)
        rates.append(2 * side**3 / (peer.ask(f'roof {side}', 10).milliseconds / 1e3))
    return max(rates)


def machine_of(run: Run, ours: Worker, peer: Worker) -> dict[str, str]:
    if run.emulated:
        return {'gpu': 'emulated', 'driver': 'none', 'ours': ours.description, 'peer': peer.description}
    gpu, driver = ask_gpu(run, 'name', 'driver_version')
    return {'gpu': gpu, 'driver': driver, 'ours': ours.description, 'peer': f'{peer.description}, {run.compile_mode}'}


def measure(run: Run, plan: Plan) -> report.Results:
    with ExitStack() as stack:
        ours, peer, memory = start_workers(run, plan, stack)
        turns = turns_of(plan, ours, peer)
        calls = [turn.calls() for turn in turns]
        rates: list[list[float]] = [[] for _ in turns]
        roofs = []
        for _ in range(plan.rounds):
            roofs.append(roof_now(plan, peer))
            for turn, count, found in zip(turns, calls, rates, strict=True):
                found.append(turn.pictures * 1e3 / turn.worker.ask(turn.question, count).milliseconds)
        machine = machine_of(run, ours, peer)
    roof = max(roofs)
    rows = [report.Row.of(turn.work, turn.side, found) for turn, found in zip(turns, rates, strict=True)]
    return report.Results(machine, roof, plan.network.flop(plan.side), rows, memory)


def stage(run: Run) -> str:
    plan = EMULATED if run.emulated else ON_GPU
    results = measure(run, plan)
    folder = run.temporary if run.emulated else ROOT / 'bench/results'
    perf = run.temporary / 'perf.txt'
    path = report.write(results, folder, perf.read_text() if perf.exists() else '')
    run.results = results
    return f'written: {path}\n{path.read_text()}'


def stage_targets(run: Run) -> str:
    if run.results is None:
        raise Failed('nothing was measured')
    targets = report.targets(run.results)
    missed = [target for target in targets if not target.met]
    if run.emulated:
        return f'{len(targets)} targets, which say nothing of the emulated device'
    if missed:
        raise Failed(f'{len(missed)} of {len(targets)} targets are missed:\n' + '\n'.join(map(report.target_line, missed)))
    return f'all {len(targets)} targets are met'
