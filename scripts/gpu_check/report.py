"""What the benchmark found: rows, targets, and the two files that are written."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple


@dataclass(frozen=True)
class Row:
    work: str  # score/B14/392/b16
    side: str
    median: float  # pictures a second
    spread: float  # between the rounds, as a share of the median

    @staticmethod
    def of(work: str, side: str, rates: Sequence[float]) -> 'Row':
        middle = median(rates)
        return Row(work, side, middle, (max(rates) - min(rates)) / middle)


@dataclass(frozen=True)
class Results:
    machine: dict[str, str]
    roof: float  # FLOP a second
    flop: int  # of scoring a picture
    rows: list[Row]
    memory: dict[str, int]  # bytes of training, by side

    def rate(self, work: str, side: str) -> float:
        return next(row.median for row in self.rows if (row.work, row.side) == (work, side))

    def works(self, kind: str) -> list[str]:
        return list(dict.fromkeys(row.work for row in self.rows if row.work.startswith(f'{kind}/')))

    def roof_share(self, work: str, side: str) -> float | None:
        """Of scoring alone: what a training step takes depends on what is kept."""
        return self.rate(work, side) * self.flop / self.roof if work.startswith('score/') else None


class Target(NamedTuple):
    what: str
    wanted: float
    found: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted

    @property
    def missing(self) -> float:
        """How much, as a share of what is wanted."""
        return abs(self.found - self.wanted) / self.wanted


def batch_of(work: str) -> int:
    return int(work.rsplit('/b', 1)[1])


def scoring_targets(results: Results, work: str) -> list[Target]:
    ours, eager, compiled = (results.rate(work, side) for side in ('dinomaly', 'pytorch-eager', 'pytorch-compile'))
    if batch_of(work) == 1:
        return [
            Target(f'{work}: times eager', 2, ours / eager),
            Target(f'{work}: times compile', 1, ours / compiled),
        ]
    if batch_of(work) < 16:
        return []
    roof = results.roof / results.flop
    return [
        Target(f'{work}: share of the roof', 0.7, ours / roof),
        Target(f'{work}: times the lesser of 1.3 compile and 0.9 roof', 1, ours / min(1.3 * compiled, 0.9 * roof)),
    ]


def targets(results: Results) -> list[Target]:
    found = [target for work in results.works('score') for target in scoring_targets(results, work)]
    for work in results.works('train'):
        found.append(Target(f'{work}: times eager', 1.5, results.rate(work, 'dinomaly') / results.rate(work, 'pytorch-eager')))
    for work in results.works('train-cached'):
        if 'H100' in results.machine['gpu']:
            found.append(Target(f'{work}: iterations a second', 100, results.rate(work, 'dinomaly') / batch_of(work)))
    share = results.memory['dinomaly'] / max(results.memory['pytorch-eager'], 1)
    return [*found, Target("training: share of PyTorch's device memory", 0.6, share, at_most=True)]


def target_line(target: Target) -> str:
    wanted = f'{"at most" if target.at_most else "at least"} {target.wanted:g}'
    verdict = 'met' if target.met else f'missed by {target.missing:.0%}'
    return f'{target.what}: {target.found:.3g}, {wanted}: {verdict}'


def row_line(results: Results, row: Row) -> str:
    ours, share = results.rate(row.work, 'dinomaly'), results.roof_share(row.work, row.side)
    milliseconds = 1e3 * batch_of(row.work) / row.median
    cells = [row.work, row.side, f'{row.median:.1f}', f'{milliseconds:.3f}', f'{row.spread:.1%}', f'{ours / row.median:.2f}']
    return f'| {" | ".join(cells)} | {f"{share:.1%}" if share is not None else ""} |'


def as_markdown(results: Results, perf: str) -> str:
    machine, memory = results.machine, results.memory
    lines = [
        f'# {machine["gpu"]}',
        '',
        f'Driver {machine["driver"]}; {machine["ours"]}; {machine["peer"]}.',
        f'Roof: {results.roof / 1e12:.1f} TFLOP/s, the best bf16 product of this run; {results.flop / 1e9:.1f} GFLOP a picture, '
        f'so {results.roof / results.flop:.0f} pictures a second.',
        '',
        '| work | side | pictures/s | ms a call | spread | dinomaly is times | of the roof |',
        '|---|---|---|---|---|---|---|',
        *(row_line(results, row) for row in results.rows),
        '',
        'Device memory of training: ' + ', '.join(f'{side} {size / 2**20:.0f} MiB' for side, size in memory.items()) + '.',
        '',
        *(f'- {target_line(target)}' for target in targets(results)),
    ]
    if perf:
        lines += ['', '## Operations', '', '```', perf.rstrip(), '```']
    return '\n'.join(lines) + '\n'


def as_json(results: Results) -> dict[str, object]:
    rows = [
        {
            **asdict(row),
            'unit': 'pictures/s',
            'ratio': results.rate(row.work, 'dinomaly') / row.median,
            'roofShare': results.roof_share(row.work, row.side),
        }
        for row in results.rows
    ]
    judged = [{**target._asdict(), 'met': target.met} for target in targets(results)]
    return {
        'machine': results.machine,
        'roofFlops': results.roof,
        'flopPerPicture': results.flop,
        'rows': rows,
        'memoryBytes': results.memory,
        'targets': judged,
    }


def write(results: Results, folder: Path, perf: str) -> Path:
    """<device>.json and <device>.md; returns the latter's path."""
    name = re.sub(r'[^a-z0-9]+', '-', results.machine['gpu'].lower()).strip('-')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.json').write_text(json.dumps(as_json(results), indent=2) + '\n')
    path = folder / f'{name}.md'
    path.write_text(as_markdown(results, perf))
    return path
