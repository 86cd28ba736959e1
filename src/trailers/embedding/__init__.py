"""The embedding engine: clips of many trailers in, vectors on disk out.

Every pair of clip strategy and backbone that is asked for shares one decoding of a trailer, and
batches run across trailers: what a network is given is always a full batch but the last.

    frames  ------------------------------------------------------->  decoded once, in blocks
    shot24, resnet50      .     .  .      .     .       one per clip    \\
    shot24, swin3d_t   [......][......][...xxx][......]  24 per clip      >  a batch each, then vectors
    seq32, swin3d_t    [........][........][........]    32 per clip    /

embedders.py  settings, weights and networks: what clips and posters have in common
pairs.py      a clip strategy seen through a backbone, and one trailer of it
blocks.py     which frames to decode together
decoding.py   frames of a video, decoded, resized and cropped
readers.py    workers that decode: threads beside a CPU's network, processes (workers.py) beside a GPU's
slots.py      memory that those processes share with the job
samples.py    clips on which a precision is tried
batches.py    clips on their way through a network, vectors on their way to disk
engine.py     all of them together
"""
