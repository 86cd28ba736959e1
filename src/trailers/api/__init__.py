"""The public Python API; ``import trailers`` gives its functions by name.

video       a video at 24 fps, from a file or an array
detection   the shots of a video
clips       shots cut into clips, and the frame that represents each
embedding   clips -> vectors
results     the products in the results folder of a run

Settings come from config.yaml (that of the working folder overrides the project's own) unless a call passes others.
The same source gives the same results as the stages. Only a video that is not at 24 fps yet needs files: it is
re-encoded in a temporary folder.
"""
