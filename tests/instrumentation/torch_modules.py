"""Modules of PyTorch that tests call."""

from __future__ import annotations

import torch
from torch import nn

X = torch.arange(20, dtype=torch.float32).reshape(5, 4) / 7


class Net(nn.Module):
    """Three layers, one of which does something else in training."""

    def __init__(self, outputs: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(8, outputs)

    def forward(self, x):
        return self.head(self.body(x))


class Gives(nn.Module):
    """Returns what a function makes of its arguments."""

    def __init__(self, make) -> None:
        super().__init__()
        self.make = make
        self.eval()

    def forward(self, *args, **kwargs):
        return self.make(*args, **kwargs)
