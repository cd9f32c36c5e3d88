import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.join(__dirname, '../..');

const python = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('python3', ['-W', 'error', ...args], { cwd: root, encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
};

test('the driver of scripts/gpu-check judges rightly', () => {
  const { status, said } = python('test/scripts/gpu_check/test_gpu_check.py');
  expect(said).toMatch(/^OK$/m);
  expect(status).toBe(0);
});

// dinomaly_check is built with the native tests. The stages that need PyTorch or Pillow are left out.
test('scripts/gpu-check passes on the emulated device', () => {
  const { status, said } = python(
    'scripts/gpu-check',
    '--emulated',
    ...['--build', 'build/Release', '--stages', 'golden,sanitizer'],
  );
  expect(said).toContain('training default, one_group agrees; repeated bit for bit');
  expect(said).toMatch(/^2 stages passed, 0 failed$/m);
  expect(status).toBe(0);
}, 600_000);

test('scripts/gpu-check says what failed, and that it did', () => {
  const { status, said } = python('scripts/gpu-check', '--build', 'test', '--stages', 'golden,targets');
  expect(said).toContain('golden: FAILED');
  expect(said).toContain('dinomaly_check is not there');
  expect(said).toContain('targets: FAILED in 0 s: nothing was measured');
  expect(status).toBe(1);
});
