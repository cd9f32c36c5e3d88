"""Prints the numbers of native/test/model_sizes_test.cpp. Usage: make_model_sizes.py REFERENCE_FOLDER

The folder holds the PyTorch implementation, dinomaly_reference.py. Weights and picture come from a formula that the
test repeats bit for bit; everything after it is computed in double. Needs PyTorch, NumPy and 4 GB of memory.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, sys.argv[1])
import dinomaly_reference as R

SIZES = {
    "kLarge": dict(dim=1024, heads=16, depth=24, registers=0, targets=(4, 6, 8, 10, 12, 14, 16, 18)),
    "kBase": dict(dim=768, heads=12, depth=12, registers=4, targets=(2, 3, 4, 5, 6, 7, 8, 9)),
}
HEIGHT, WIDTH, PATCH = 42, 56, 14
SAMPLES = 12


def formula(name, shape, centre, scale):
    """centre + scale * u, u in [-1, 1): 24 bits of a hash of the name (FNV-1a) and the index (MurmurHash3's last step).
    scale is a power of two, so that nothing but the last sum is rounded."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    h = np.arange(np.prod(shape), dtype=np.uint32) + np.uint32(seed)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    u = (h >> np.uint32(8)).astype(np.float32) * np.float32(2**-23) - np.float32(1)
    return torch.from_numpy(np.float32(centre) + np.float32(scale) * u).reshape(shape)


def weight(name, shape):
    if not name.endswith((".weight", ".bias", ".gamma")):        # class token, registers, positions
        return formula(name, shape, 0, 1)
    if len(shape) > 1:
        return formula(name, shape, 0, 2**-4)
    return formula(name, shape, 0, 2**-3) if name.endswith(".bias") else formula(name, shape, 1, 2**-2)


class Encoder(R.Encoder):
    """For pictures that need not be square: each side of the positions has its own factor."""

    def positions(self, side):
        grid = self.pos_embed[:, 1:].view(1, self.c.grid, self.c.grid, -1).permute(0, 3, 1, 2)
        factors = tuple((pixels // PATCH + 0.1) / self.c.grid for pixels in (HEIGHT, WIDTH))
        grid = F.interpolate(grid, scale_factor=factors, mode="bicubic")
        assert grid.shape[2:] == (HEIGHT // PATCH, WIDTH // PATCH)
        return torch.cat((self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)), 1)


def anomaly_maps(enc, dec):
    """The reference's, for pictures that need not be square."""
    maps = []
    for e, d in zip(enc, dec):
        m = (1 - F.cosine_similarity(e, d, dim=-1)).view(-1, 1, HEIGHT // PATCH, WIDTH // PATCH)
        maps.append(F.interpolate(m, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=True))
    m = F.interpolate(torch.cat(maps, 1).mean(1, keepdim=True), size=256, mode="bilinear", align_corners=False)
    return F.conv2d(m, R.gaussian().to(m), padding=2)[:, 0]


def sample(t):
    """Its largest absolute value, and values at equal distances from the first to the last."""
    flat = t.flatten()
    values = [flat[i * (len(flat) - 1) // (SAMPLES - 1)] for i in range(SAMPLES)]
    return f"{{{flat.abs().max():#.8g}f, {{{', '.join(f'{v:#.8g}f' for v in values)}}}}}"


@torch.no_grad()
def numbers(size):
    c = R.Config(drop=0.0, **size)
    model = R.Dinomaly(c, Encoder(c)).eval()
    for name, p in model.named_parameters():
        p.copy_(weight(name, tuple(p.shape)))
    enc, dec = model.double()(formula("picture", (1, 3, HEIGHT, WIDTH), 0, 2).double())
    maps = anomaly_maps(enc, dec)
    return (f"{{{{{', '.join(map(sample, enc))}}}, {{{', '.join(map(sample, dec))}}}, "
            f"{sample(maps)}, {R.image_scores(maps).item():#.8g}f}}")


torch.set_num_threads(2)
for name, size in SIZES.items():
    print(f"const Expected {name} = {numbers(size)};\n")
