"""The stages: one module each, of one shape.

    docstring           what goes in, what comes out, the paper's section
    SCHEMA              "shots/1"; the number grows when the same settings give other products
    Settings            options that change the product and enter its fingerprint (a section of config.yaml)
    Effort              performance options: devices, batch sizes, retries (same section; not every stage has it)
    add_flags, run      the command line `python -m trailers STAGE`

Importing a stage is cheap: what is heavy is imported where it is used. Stages never import each
other: they meet in files.
"""
