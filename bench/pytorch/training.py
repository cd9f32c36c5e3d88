"""A training step: loose loss with hard mining, clipping, StableAdamW with AMSGrad, over all tensors at once."""

import math

import torch
from network import Dinomaly
from torch import Tensor
from torch.nn import functional as F

EASY = 0.1  # what remains of an easy patch's gradient


class WeighGradient(torch.autograd.Function):
    @staticmethod
    def forward(context: object, x: Tensor, weights: Tensor) -> Tensor:
        context.save_for_backward(weights)
        return x.view_as(x)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * context.saved_tensors[0], None


def loose_loss(encoded: list[Tensor], decoded: list[Tensor], discarded: float) -> Tensor:
    losses = []
    for e, d in zip(encoded, decoded):
        e, d = e.detach().float(), d.float()
        distance = 1 - F.cosine_similarity(e, d.detach(), dim=-1)
        threshold = distance.flatten().topk(int(distance.numel() * (1 - discarded))).values[-1]
        d = WeighGradient.apply(d, torch.where(distance < threshold, EASY, 1.0).unsqueeze(-1))
        losses.append((1 - F.cosine_similarity(e.flatten(1), d.flatten(1), dim=-1)).mean())
    return torch.stack(losses).mean()


class StableAdamW:
    """In foreach operations, without a value that returns to the host."""

    def __init__(self, parameters: list[Tensor], decay: float = 1e-4, eps: float = 1e-10) -> None:
        self.parameters, self.decay, self.eps, self.steps = parameters, decay, eps, 0
        self.m, self.v, self.vmax = ([torch.zeros_like(p) for p in parameters] for _ in range(3))

    @torch.no_grad()
    def step(self, rate: float, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.steps += 1
        gradients = [p.grad for p in self.parameters]
        torch._foreach_mul_(self.parameters, 1 - rate * self.decay)
        torch._foreach_lerp_(self.m, gradients, 1 - beta1)
        torch._foreach_mul_(self.v, beta2)
        torch._foreach_addcmul_(self.v, gradients, gradients, 1 - beta2)
        torch._foreach_maximum_(self.vmax, self.v)
        denominators = torch._foreach_sqrt(self.vmax)
        torch._foreach_div_(denominators, math.sqrt(1 - beta2**self.steps))
        torch._foreach_add_(denominators, self.eps)
        norms = torch._foreach_norm(torch._foreach_div(gradients, denominators))
        for p, m, denominator, norm in zip(self.parameters, self.m, denominators, norms):
            slowed = torch.clamp(norm / math.sqrt(p.numel()), min=1)
            p.sub_(m / denominator * (rate / (1 - beta1**self.steps) / slowed))


def learning_rate(step: int, total: int, warmup: int, top: float = 2e-3, final: float = 2e-4) -> float:
    if step < warmup:
        return top * step / max(warmup - 1, 1)
    return final + (top - final) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


def discard_rate(step: int, warmup: int, most: float = 0.9) -> float:
    return min(most * step / warmup, most)


def train_step(
    model: Dinomaly,
    optimizer: StableAdamW,
    features: tuple[Tensor, list[Tensor]],
    rate: float,
    discarded: float,
    clip_norm: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """The loss and the gradient's norm."""
    mean, encoded = features
    for p in optimizer.parameters:
        p.grad = None
    loss = loose_loss(encoded, model.decode(mean), discarded)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(optimizer.parameters, clip_norm, foreach=True)
    optimizer.step(rate)
    return loss.detach(), norm
