import os from 'node:os';
import { Dinomaly } from '../../lib';
import { machine } from '../../lib/inspect';
import { surroundings } from '../../lib/device';
import { rejection } from '../support/error';
import { disposing, picture, small } from '../support/small';

const opened = disposing();

test('a user without a home, as in some containers, computes all the same', async () => {
  jest.spyOn(os, 'homedir').mockImplementation(() => {
    throw new Error('A system error occurred: uv_os_homedir returned ENOENT');
  });
  expect(surroundings().home).toBeUndefined();
  for (const device of ['auto', 'cpu'] as const) {
    const model = await opened(Dinomaly.create({ ...small, device }));
    expect((await model.score(picture(1))).score).toBeGreaterThan(0);
  }
  jest.replaceProperty(process, 'env', { PATH: process.env['PATH'] }); // nothing says where a cache is
  expect((await machine()).hubCache).toBeNull();
  const { message } = await rejection(Dinomaly.create({ encoder: 'dinov2_vit_base_14' }), 'ERR_HUB');
  expect(message).toContain('Set HF_HUB_CACHE');
});
