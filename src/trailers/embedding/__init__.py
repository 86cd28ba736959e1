"""The embedding engine: clips of many trailers in, vectors on disk out.

All requested pairs of clip strategy and backbone share one decoding of a trailer. Batches contain clips of several
trailers, so every batch except the last is full.

    frames  ------------------------------------------------------->  decoded once, in blocks
    shot24, resnet50      .     .  .      .     .       one per clip    \\
    shot24, swin3d_t   [......][......][...xxx][......]  24 per clip      >  a batch each, then vectors
    seq32, swin3d_t    [........][........][........]    32 per clip    /

embedders.py  settings, weights and networks, for clips and posters
pairs.py      a pair of clip strategy and backbone, and the job of one trailer of it
blocks.py     which frames to decode together
decoding.py   frames of a video, decoded, resized and cropped
readers.py    workers that decode: threads beside a CPU's network, processes (workers.py) beside a GPU's
slots.py      memory that those processes share with the job
samples.py    clips on which a precision is tested
batches.py    batches of clips for the networks; vectors are written when a trailer is complete
engine.py     the loop that runs all of these
"""
