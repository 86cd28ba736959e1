# Movie trailers -> shots -> clips -> embeddings -> genres, after Trailers12k / DIViTA. See README.md.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


# Reads the configuration: the project's config.yaml, overridden by the one in the working folder, then by --config.
include: "workflow/rules/common.smk"


# The default target must be in this file: Snakemake ignores one in an included file.
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
