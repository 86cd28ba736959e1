"""The public Python API; ``import trailers`` gives its functions by name.

video       a video at 24 fps, from a file or an array
detection   its shots
clips       shots cut into clips, and the frame that stands for each
embedding   clips -> vectors
results     what a run left in its folder

Settings are those of config.yaml (of the working folder, over the project's own) unless a call names others. The same
source gives what the stages give. No file is written but in a temporary folder, for a video that is not at 24 fps yet.
"""
