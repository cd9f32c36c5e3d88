"""Dinomaly in PyTorch as someone who wants it fast would write it: scaled-dot-product attention, fused projections.

Parameters have the names of released files, so that these can be loaded.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MAP_SIDE = 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class SoftmaxAttention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each (images, heads, tokens, channels of a head)."""
        images, tokens, dim = x.shape
        return self.qkv(x).view(images, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4).unbind(0)

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.mix(*self.split(x)).transpose(1, 2).reshape(x.shape))


class LinearAttention(SoftmaxAttention):
    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = F.elu(q) + 1, F.elu(k) + 1
        weight = q @ k.sum(dim=2).unsqueeze(-1)
        return q @ (k.transpose(2, 3) @ v) / weight


class Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class NoisyMlp(Mlp):
    """The bottleneck: what it gets, keeps and gives is dropped at random in training."""

    def __init__(self, dim: int, rate: float) -> None:
        super().__init__(dim)
        self.rate = rate

    def noise(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.rate, self.training)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.fc1(self.noise(x)))
        return self.noise(self.fc2(self.noise(hidden)))


class Scale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, dim: int, attention: nn.Module, eps: float, scaled: bool) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps), attention
        self.norm2, self.mlp = nn.LayerNorm(dim, eps), Mlp(dim)
        self.ls1 = Scale(dim) if scaled else nn.Identity()
        self.ls2 = Scale(dim) if scaled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbedding(nn.Module):
    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    """DINOv2's, up to the last target."""

    def __init__(self, dim: int, heads: int, grid: int, registers: int, targets: Sequence[int], patch: int) -> None:
        super().__init__()
        self.grid, self.targets, self.patch = grid, tuple(targets), patch
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 1 + grid * grid, dim))
        self.register_tokens = nn.Parameter(0.02 * torch.randn(1, registers, dim)) if registers else None
        self.patch_embed = PatchEmbedding(dim, patch)
        blocks = (Block(dim, SoftmaxAttention(dim, heads), 1e-6, scaled=True) for _ in range(targets[-1] + 1))
        self.blocks = nn.ModuleList(blocks)
        self.kept: dict[int, Tensor] = {}

    def positions(self, side: int) -> Tensor:
        """Stretched from the stored grid, DINOv2's way: by (side + 0.1) / grid. Once for each side."""
        if side == self.grid:
            return self.pos_embed
        if side not in self.kept:
            stored = self.pos_embed[:, 1:].float().unflatten(1, (self.grid, self.grid)).permute(0, 3, 1, 2)
            factor = (side + 0.1) / self.grid
            stretched = F.interpolate(stored, scale_factor=(factor, factor), mode='bicubic').flatten(2).transpose(1, 2)
            self.kept[side] = torch.cat((self.pos_embed[:, :1], stretched.to(self.pos_embed.dtype)), 1)
        return self.kept[side]

    def tokens(self, x: Tensor) -> Tensor:
        images = len(x)
        tokens = torch.cat((self.cls_token.expand(images, -1, -1), self.patch_embed(x)), 1)
        tokens = tokens + self.positions(x.shape[-1] // self.patch)
        if self.register_tokens is None:
            return tokens
        return torch.cat((tokens[:, :1], self.register_tokens.expand(images, -1, -1), tokens[:, 1:]), 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Of each target."""
        x, found = self.tokens(x), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.targets:
                found.append(x)
        return found


class Dinomaly(nn.Module):
    def __init__(
        self,
        dim: int,
        heads: int,
        grid: int,
        registers: int,
        targets: Sequence[int],
        groups: Sequence[Sequence[int]],
        patch: int = 14,
        dropout: float = 0.2,
        **_: object,  # depth: layers after the last target are never run
    ) -> None:
        super().__init__()
        self.groups, self.extra = groups, 1 + registers
        self.encoder = Encoder(dim, heads, grid, registers, targets, patch).requires_grad_(False)
        self.bottleneck = nn.ModuleList([NoisyMlp(dim, dropout)])
        self.decoder = nn.ModuleList(Block(dim, LinearAttention(dim, heads), 1e-8, scaled=False) for _ in targets)
        # Constants of the model, since one that forward() makes on the host would keep it from being a CUDA graph.
        mean, std = torch.tensor(MEAN), torch.tensor(STD)
        for name, values in (('scale', 1 / (255 * std)), ('shift', mean / std), ('blur', gaussian())):
            self.register_buffer(name, values, persistent=False)
        for layer in (*self.bottleneck.modules(), *self.decoder.modules()):
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.01, a=-0.03, b=0.03)
                nn.init.zeros_(layer.bias)

    def computing_in(self, dtype: torch.dtype) -> 'Dinomaly':
        """All but what is done to pixels and maps."""
        for part in (self.encoder, self.bottleneck, self.decoder):
            part.to(dtype)
        return self

    def normalised(self, pixels: Tensor) -> Tensor:
        """RGB bytes (images, side, side, 3) as the encoder takes them."""
        return (pixels * self.scale - self.shift).permute(0, 3, 1, 2).to(self.encoder.pos_embed.dtype)

    def trained(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]

    @torch.no_grad()
    def encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The targets' mean, with all tokens, and the mean of each group, patches only."""
        features = self.encoder(x)
        return torch.stack(features).mean(0), self.of_groups(features)

    def decode(self, mean: Tensor) -> list[Tensor]:
        x, found = self.bottleneck[0](mean), []
        for block in self.decoder:
            x = block(x)
            found.append(x)
        return self.of_groups(found[::-1])  # the last block answers the first target

    def of_groups(self, features: list[Tensor]) -> list[Tensor]:
        return [torch.stack([features[i] for i in group]).mean(0)[:, self.extra :] for group in self.groups]

    def maps(self, encoded: list[Tensor], decoded: list[Tensor], side: int) -> Tensor:
        distances = torch.stack([1 - F.cosine_similarity(e.float(), d.float(), dim=-1) for e, d in zip(encoded, decoded)], 1)
        rows = math.isqrt(distances.shape[-1])
        enlarged = F.interpolate(distances.unflatten(2, (rows, rows)), size=side, mode='bilinear', align_corners=True)
        small = F.interpolate(enlarged.mean(1, keepdim=True), size=MAP_SIDE, mode='bilinear', align_corners=False)
        return F.conv2d(small, self.blur, padding=2)[:, 0]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """RGB bytes (images, side, side, 3) to maps and scores."""
        return self.scored(self.normalised(pixels))

    def scored(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A normalised batch (images, 3, side, side) to maps and scores."""
        mean, encoded = self.encode(x)
        maps = self.maps(encoded, self.decode(mean), x.shape[-1])
        return maps, image_scores(maps)


def gaussian(sigma: float = 4, size: int = 5) -> Tensor:
    at = torch.arange(size) - (size - 1) / 2
    weights = torch.exp(-(at**2) / (2 * sigma**2))
    weights = weights / weights.sum()
    return torch.outer(weights, weights)[None, None]


def image_scores(maps: Tensor) -> Tensor:
    """Mean of the highest hundredth."""
    flat = maps.flatten(1)
    return flat.topk(flat.shape[1] // 100, dim=1).values.mean(1)
