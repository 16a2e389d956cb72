"""The step of `Muon` with torch, where Python starts each operation: many variables at a time.

What is computed is the same. One by one, the kernels of a 3D U-Net are most operations of a training step.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from napari_medunet.engine.network.newton_schulz import ITERATIONS, MOMENTUM, POLYNOMIAL, length


def change_kernels(kernels: list[Any], gradients: list[Any], momenta: list[Any], rate: Any) -> None:
    """Take Muon's step with each kernel.

    Parameters
    ----------
    kernels, gradients, momenta : non-empty lists of torch tensors
        Kernels and momenta are changed where they are.
    rate : tensor of no axes
    """
    import torch

    with torch.no_grad():
        torch._foreach_mul_(momenta, MOMENTUM)
        torch._foreach_add_(momenta, gradients)
        ahead = torch._foreach_add(gradients, momenta, alpha=MOMENTUM)
        same_size = defaultdict(list)
        for kernel, change in zip(kernels, ahead, strict=True):
            matrix = change.reshape(-1, change.shape[-1])
            tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
            same_size[tall.shape[1]].append((kernel, matrix, tall))
        changed, steps = [], []
        for group in same_size.values():
            roots = _inverse_roots(torch.stack([tall.T @ tall for _, _, tall in group]))
            for (kernel, matrix, tall), root in zip(group, roots, strict=True):
                step = tall @ (root * length(tall.shape[0]))
                step = step if tall is matrix else step.T
                changed.append(kernel)
                steps.append(step.reshape(kernel.shape))
        torch._foreach_mul_(steps, rate)
        torch._foreach_sub_(changed, steps)


def subtract(variables: list[Any], steps: list[Any]) -> None:
    """Subtract a step from each variable."""
    import torch

    with torch.no_grad():
        torch._foreach_sub_(variables, steps)


def _inverse_roots(products: Any) -> Any:
    """Factors that make matrices about orthogonal, from their columns' products, both (number, n, n)."""
    import torch

    sizes = products.diagonal(dim1=1, dim2=2).sum(-1).sqrt() + 1e-7
    sizes = sizes[:, None, None]
    products = products / sizes.square()
    whole = torch.eye(products.shape[1], device=products.device).expand_as(products)
    a, b, c = POLYNOMIAL
    for _ in range(ITERATIONS):
        # The factor of a round is a times the identity, plus this.
        rest = torch.baddbmm(products, products, products, beta=b, alpha=c)
        whole = torch.baddbmm(whole, whole, rest, beta=a)
        half = torch.baddbmm(products, rest, products, beta=a)
        products = torch.baddbmm(half, half, rest, beta=a)
    return whole / sizes
