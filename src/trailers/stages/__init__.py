"""The stages: one module per stage, all with the same contents.

    docstring           inputs, outputs, the paper's section
    SCHEMA              "shots/1"; the number is increased when the same settings give different products
    Settings            options that change the product and enter its fingerprint (a section of config.yaml)
    Effort              performance options: devices, batch sizes, retries (same section; not in every stage)
    add_flags, run      the command line `python -m trailers STAGE`

Importing a stage is cheap: heavy libraries are imported inside functions. Stages never import each other: they
exchange files.
"""
