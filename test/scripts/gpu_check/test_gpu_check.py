"""The driver's arithmetic and its verdicts; test/scripts/gpu-check.test.ts runs them."""

import sys
import time
import unittest
from array import array
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'scripts'))
from gpu_check import build, cli, compare, pictures, report, sanitizer, table, training  # noqa: E402
from gpu_check.networks import BASE, SMALL, TINY, small_encoder, tiny_weights  # noqa: E402
from gpu_check.run import Failed, Run, Stage, run_stages  # noqa: E402
from gpu_check.tensors import safetensors_entries, safetensors_metadata, write_safetensors  # noqa: E402
from gpu_check.worker import Worker  # noqa: E402


def run_for(folder: str, seconds: float = 20, **options: object) -> Run:
    end = time.monotonic() + seconds
    values = {'emulated': False, 'build': Path(folder), 'allow_missing': False, 'deadline': end, **options}
    return Run(**values, temporary=Path(folder), stage_deadline=end)


class Comparing(unittest.TestCase):
    def test_differences(self) -> None:
        self.assertAlmostEqual(compare.relative(array('f', [1, -4]), array('f', [1.5, -5])), 0.2)
        self.assertEqual(compare.absolute([1, float('nan')], [1, 1]), float('inf'))
        self.assertEqual(compare.relative(array('f', [1.00048, 2]), array('f', [1, 2]), compare.HALF_BITS), 0)  # 1 + 2^-11 is 1
        self.assertAlmostEqual(compare.relative(array('f', [1.0015, 2]), array('f', [1, 2]), compare.HALF_BITS), 5e-4, 4)
        self.assertEqual(compare.relative(array('f', [float('nan')]), array('f', [1]), compare.HALF_BITS), float('inf'))
        with self.assertRaisesRegex(Failed, 'expected 2 numbers, found 1'):
            compare.relative(array('f', [1]), array('f', [1, 2]))
        with self.assertRaisesRegex(Failed, 'maps: expected a difference of at most 0.1, found 0.2'):
            compare.expect_below('maps', 0.2, 0.1)

    def test_rankings(self) -> None:
        labels = [0, 0, 1, 1]
        self.assertEqual(compare.auroc([1, 3, 2, 4], labels), 0.75)
        self.assertEqual(compare.auroc([1, 2, 2, 4], labels), 0.875)
        self.assertEqual(compare.swapped_pairs([1, 3, 2, 4], [1, 2, 3, 4], labels), 1)
        self.assertEqual(compare.swapped_pairs([1, 2, 3, 4], [10, 20, 30, 40], labels), 0)

    def test_curve(self) -> None:
        before = array('f', [1, 0.5])
        self.assertAlmostEqual(training.compare_curve(array('f', [1.005, 0.5]), before), 0.005, 5)
        with self.assertRaisesRegex(Failed, 'loss of step 1'):
            training.compare_curve(array('f', [1, 0.49]), before)
        with self.assertRaisesRegex(Failed, 'expected 2 losses'):
            training.compare_curve(array('f', [1]), before)


class Files(unittest.TestCase):
    def test_safetensors(self) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / 'x.safetensors'
            tensors = {'whole': ('F32', array('f', [1.5, -2])), 'half': ('F16', array('f', [0.25]))}
            write_safetensors(path, tensors, {'a': 'b'})
            entries = safetensors_entries(path)
            self.assertEqual(list(entries['whole'].read()), [1.5, -2])
            self.assertEqual(list(entries['half'].read()), [0.25])
            self.assertEqual(safetensors_metadata(path), {'a': 'b'})

    def test_weights(self) -> None:
        tiny = {entry.name: entry for entry in tiny_weights()}
        self.assertEqual(tiny['decoder.3.mlp.fc1.weight'].shape, (512, 128))
        self.assertTrue(0.005 < max(tiny['bottleneck.0.fc1.weight'].read()) < 1)
        self.assertIn('encoder.blocks.11.ls2.gamma', {entry.name for entry in small_encoder()})

    def test_perturbed_weights(self) -> None:
        with TemporaryDirectory() as folder:
            before = [entry for entry in tiny_weights() if entry.name.startswith('decoder.0.')]
            after = training.perturbed(before, Path(folder) / 'x.safetensors')
            self.assertEqual([(e.name, e.shape) for e in after], [(e.name, e.shape) for e in before])
            differences = [compare.relative(a.read(), b.read()) for a, b in zip(after, before, strict=True)]
            self.assertTrue(all(difference < 1.1e-6 for difference in differences))
            self.assertGreater(max(differences), 5e-7)

    def test_committed_curve(self) -> None:
        entries, demo = safetensors_entries(training.EXPECTED), training.DEMO
        self.assertLessEqual(training.EXPECTED.stat().st_size, 1_100_000)
        self.assertEqual(entries['losses'].size, demo.steps)
        self.assertEqual(entries['maps'].size, training.MAPS_KEPT * training.MAP_SIZE)
        test = pictures.test_pictures(demo.test_per_folder)
        scores = list(entries['scores'].read())
        self.assertGreater(compare.auroc(scores, [picture.label for picture in test]), 0.8)


class Choosing(unittest.TestCase):
    def test_every_epoch_takes_each_picture_once(self) -> None:
        order = training.DEMO.order(96)
        self.assertEqual(len(order), 800)
        for first in range(0, 768, 96):
            self.assertEqual(sorted(order[first : first + 96]), list(range(96)))
        self.assertNotEqual(order[:96], order[96:192])

    def test_pictures(self) -> None:
        self.assertEqual(len(pictures.training_pictures(32)), 96)
        test = pictures.test_pictures(100)
        self.assertEqual((len(test), sum(picture.label for picture in test)), (75, 45))
        self.assertEqual([pictures.crop_offset(448, 392), pictures.crop_offset(449, 392)], [28, 28])

    def test_stages(self) -> None:
        def names(*arguments: str) -> list[str]:
            return [stage.name for stage in cli.stages_of(cli.parse([*arguments]))]

        self.assertEqual(names(), [stage.name for stage in cli.STAGES])
        self.assertEqual(names('--stages', 'golden,build'), ['build', 'golden'])
        self.assertEqual(names('--write-expected'), ['build', 'expected'])
        self.assertEqual(names('--perturbed'), ['build', 'training', 'precisions'])
        self.assertEqual(names('--perturbed', '--stages', 'golden,training'), ['training'])

    def test_programs(self) -> None:
        with TemporaryDirectory() as folder:
            self.assertEqual(run_for(folder).check_program.name, 'dinomaly_check')
            on_cpu = run_for(folder, on_cpu=True)
            self.assertEqual((build.targets(on_cpu), on_cpu.check_program.name), (['dinomaly_check_cpu'], 'dinomaly_check_cpu'))

    def test_flop(self) -> None:
        self.assertAlmostEqual(BASE.flop(392) / 1e9, 228, delta=1)
        self.assertAlmostEqual(SMALL.flop(224) / 1e9, 18.3, delta=0.2)

    def test_flags(self) -> None:
        flags = TINY.flags(dropout=0, seed=1)
        self.assertEqual(flags[flags.index('--groups') + 1], '0,1/2,3')


def results_with(ours: float, gpu: str = 'NVIDIA H100') -> report.Results:
    """PyTorch scores and trains 1,000 pictures a second in each way; the roof is 2,000."""
    rows = []
    for work in ('score/n/b1', 'score/n/b8', 'score/n/b16', 'train/n/b16', 'train-cached/n/b16'):
        rows.append(report.Row.of(work, 'dinomaly', [ours, ours * 1.1, ours * 0.9]))
        rows += [report.Row.of(work, side, [1000.0]) for side in ('pytorch-eager', 'pytorch-compile')]
    machine = {'gpu': gpu, 'driver': '1', 'ours': 'CUDA', 'peer': 'PyTorch'}
    return report.Results(machine, 2e12, 10**9, rows, {'dinomaly': 6 << 30, 'pytorch-eager': 10 << 30})


class Reporting(unittest.TestCase):
    def test_rows(self) -> None:
        results = results_with(1500)
        self.assertEqual(results.rows[0].median, 1500)
        self.assertAlmostEqual(results.rows[0].spread, 0.2)
        self.assertAlmostEqual(results.roof_share('score/n/b16', 'dinomaly'), 0.75)
        self.assertIsNone(results.roof_share('train/n/b16', 'dinomaly'))

    def test_targets(self) -> None:
        judged = {target.what: target.met for target in report.targets(results_with(1500))}
        self.assertEqual(
            judged,
            {
                'score/n/b1: times eager': False,
                'score/n/b1: times compile': True,
                'score/n/b16: share of the roof': True,
                'score/n/b16: times the lesser of 1.3 compile and 0.9 roof': True,
                'train/n/b16: times eager': True,
                'train-cached/n/b16: iterations a second': False,
                "training: share of PyTorch's device memory": True,
            },
        )
        self.assertFalse(any('iterations' in target.what for target in report.targets(results_with(1500, 'A100'))))
        self.assertTrue(all(target.met for target in report.targets(results_with(2000))))

    def test_files(self) -> None:
        with TemporaryDirectory() as folder:
            path = report.write(results_with(1500), Path(folder), 'product 9 GFLOP/s')
            self.assertEqual(path.name, 'nvidia-h100.md')
            text = path.read_text()
            self.assertIn('| score/n/b16 | dinomaly | 1500.0 | 10.667 | 20.0% | 1.00 | 75.0% |', text)
            self.assertIn('score/n/b1: times eager: 1.5, at least 2: missed by 25%', text)
            self.assertIn('product 9 GFLOP/s', text)
            self.assertTrue(path.with_suffix('.json').exists())


class Running(unittest.TestCase):
    def test_a_failed_stage_stops_no_other(self) -> None:
        def fail(_: Run) -> str:
            raise Failed('broken')

        said: list[str] = []
        with TemporaryDirectory() as folder:
            failed = run_stages(run_for(folder), [Stage('a', 9, fail), Stage('b', 9, lambda _: 'good')], said.append)
            failed += run_stages(run_for(folder), [Stage('c', 9, lambda _: str(1 // 0))], said.append)
        self.assertEqual(failed, 2)
        self.assertIn('a: FAILED in 0 s: broken\nb: passed in 0 s: good', said[4])
        self.assertEqual(said[5], '1 stages passed, 1 failed')
        self.assertIn('ZeroDivisionError', said[-3])

    def test_no_stage_begins_after_the_end(self) -> None:
        with TemporaryDirectory() as folder:
            self.assertEqual(run_stages(run_for(folder, seconds=0), [Stage('a', 9, lambda _: '')], lambda _: None), 1)

    def test_commands(self) -> None:
        with TemporaryDirectory() as folder:
            self.assertEqual(run_for(folder).command('echo', 'x'), 'x\n')
            with self.assertRaisesRegex(Failed, 'ended with 3:\nbad'):
                run_for(folder).command('sh', '-c', 'echo bad; exit 3')
            with self.assertRaisesRegex(Failed, 'longer than the stage has'):
                run_for(folder, seconds=0).command('sh', '-c', 'sleep 60 & wait')
            with self.assertRaisesRegex(Failed, '/no/program is not there'):
                run_for(folder).command('/no/program')

    def test_workers(self) -> None:
        script = 'echo hello; while read work calls; do [ $work = bad ] && echo why >&2 && exit 1; echo 1.5 7; done'
        with TemporaryDirectory() as folder:
            with Worker(run_for(folder), 'it', 'sh', '-c', script) as worker:
                self.assertEqual(worker.description, 'hello')
                self.assertEqual(worker.ask('good', 3), (1.5, 7))
                with self.assertRaisesRegex(Failed, 'it ended early: why'):
                    worker.ask('bad', 1)
            with self.assertRaisesRegex(Failed, 'it took longer than the stage has'):
                with Worker(run_for(folder, seconds=0.2), 'it', 'sleep', '5'):
                    pass

    def test_what_is_missing(self) -> None:
        with TemporaryDirectory() as folder:
            with self.assertRaisesRegex(Failed, 'dinomaly_table is not there'):
                table.stage(run_for(folder))
            old = Path(folder) / 'dinomaly_check'
            old.write_text('of another build')
            with patch.dict('os.environ', {'PATH': '/usr/bin:/bin'}), self.assertRaises(Failed):  # no nvcc, or no GPU
                build.stage(run_for(folder))
            self.assertFalse(old.exists())

    def test_the_sanitizers_cases_are_dinomaly_checks(self) -> None:
        with TemporaryDirectory() as folder:
            commands = {name: flags[0] for name, flags in sanitizer.cases(run_for(folder)).items()}
        kinds = {'forward': 'forward', 'training': 'train'}
        expected = {f'{what} {precision}': command for what, command in kinds.items() for precision in ('f32', 'bf16')}
        self.assertEqual(commands, expected)


if __name__ == '__main__':
    unittest.main()
