"""A stand-in network with exact integers, a plain reading of the reference, and frames: for tests of the detector."""

from __future__ import annotations

import numpy as np
import torch

from trailers.detector.detector import Detector, Video


def plain_windows(frames):
    """Copies in front, copies behind, 100 at a time, 50 further on."""
    last = 25 + 50 - (len(frames) % 50 if len(frames) % 50 else 50)
    padded = np.concatenate([frames[:1]] * 25 + [frames] + [frames[-1:]] * last)
    at = 0
    while at + 100 <= len(padded):
        yield padded[at : at + 100]
        at += 50


# Every frame of the window changes every logit.
MIX = torch.from_numpy(np.random.default_rng(5).integers(1, 1000, (100, 100)))


def stand_in(windows):
    """Logits (N, 50, 2) from frames of one pixel; another order or another frame is another logit."""
    rows = (windows.flatten(1).long() @ MIX)[:, 25:75] % 4001
    return torch.stack([rows, 4000 - rows], 2).float() / 500 - 4


def plain_probabilities(frames):
    logits = [stand_in(torch.from_numpy(window)[None])[0] for window in plain_windows(frames)]
    return torch.cat(logits)[: len(frames)].sigmoid().numpy()


def with_network(network, *, exact=None, precision="float32", **effort):
    """A detector with other networks."""
    detector = Detector(precision="float32", device="cpu", **effort)
    detector.precision = precision
    detector.__dict__["fast"] = network
    detector.__dict__["exact"] = exact or network
    return detector


def same(scores, plain):
    """A sigmoid's last bit may differ; another frame or another place differs by 4e-5 and more."""
    return np.abs(scores - plain).max() < 1e-6


def pixels(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 1), dtype=np.uint8)


def video(frames):
    return Video(len(frames), lambda start, end: frames[start:end])


def scenery(count, seed=3):
    """Moving textures, uint8 (count, 27, 48, 3): cuts about every 40 frames, each third one a dissolve of 12 frames."""
    random = np.random.default_rng(seed)
    frames = np.empty((count, 27, 48, 3), np.float32)
    at, shot = 0, 0
    while at < count:
        length = int(random.integers(25, 55))
        coarse = random.uniform(0, 255, (9, 16, 3)).repeat(3, 0).repeat(3, 1)
        move = int(random.integers(-2, 3))
        for number in range(min(length, count - at)):
            frames[at + number] = np.roll(coarse, move * number // 4, axis=1) + random.normal(0, 6, (27, 48, 3))
        if shot % 3 == 2 and at >= 12:
            for step in range(12):
                share = (step + 1) / 13
                frames[at - 12 + step] = (1 - share) * frames[at - 12 + step] + share * frames[at]
        at, shot = at + length, shot + 1
    return frames.clip(0, 255).astype(np.uint8)
