# Movie trailers -> shots -> clips -> embeddings -> genres, after Trailers12k / DIViTA. README.md says how to use it.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


# The configuration is read there: the project's own config.yaml, over it the working folder's, over both --config.
include: "workflow/rules/common.smk"


# The default target has to stand here: one in an included file is not taken over.
rule all:
    default_target: True
    input:
        target(STUDY, STUDY.report),


include: "workflow/rules/shards.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/normalise.smk"
include: "workflow/rules/shots.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/embed.smk"
include: "workflow/rules/posters.smk"
include: "workflow/rules/pages.smk"
include: "workflow/rules/classify.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/replicate.smk"
include: "workflow/rules/demo.smk"
