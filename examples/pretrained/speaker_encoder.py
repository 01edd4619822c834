"""The GE2E speaker encoder (arXiv:1710.10467) as Resemblyzer trained it: who is speaking, as a unit vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


class SpeakerEncoder(nn.Module):
    """Mel spectrograms (n, frames, 40) -> embeddings (n, 256) of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        self.similarity_weight = nn.Parameter(pm.tensor([10.0]))  # of the training's loss
        self.similarity_bias = nn.Parameter(pm.tensor([-5.0]))

    def forward(self, mels: Any) -> pm.Tensor:
        _, (hidden, _) = self.lstm(mels)
        return F.normalize(F.relu(self.linear(hidden[-1])), dim=1)


def load(folder: str | Path) -> SpeakerEncoder:
    model = SpeakerEncoder().eval()
    model.load_state_dict(pm.load_file(Path(folder) / "resemblyzer.safetensors"))
    return model
