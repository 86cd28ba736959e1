# Movie trailers -> shots -> clips -> embeddings -> genres, after Trailers12k / DIViTA. README.md says how to use it.

from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")


# The project's own defaults; a config.yaml in the working folder changes what it names.
configfile: f"{workflow.basedir}/config.yaml"


if Path("config.yaml").exists():

    configfile: "config.yaml"


include: "workflow/rules/common.smk"


# The default target has to stand here: one in an included file is not taken over.
rule all:
    default_target: True
    input:
        lambda wildcards: STUDY.report(),


include: "workflow/rules/shards.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/normalise.smk"
include: "workflow/rules/shots.smk"
include: "workflow/rules/clips.smk"
include: "workflow/rules/embed.smk"
include: "workflow/rules/posters.smk"
include: "workflow/rules/classify.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/demo.smk"
