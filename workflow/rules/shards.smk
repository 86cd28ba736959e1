# Split the manifest into shards of consecutive rows; each stage runs one job per shard.
#
# in   the manifest
# out  results/shards/{shard}.txt: one trailer id per line


# The trailers of one shard. Its name depends on them, so the list of a shard never changes. The rules that read it must
# not mark it `ancient`: if a list that exists has to be written again, for example after a kill, Snakemake 9.27 then
# takes all jobs behind it for up to date and ends with "100 % done" and without results.
rule shard_list:
    output:
        LAYOUT.shard("{shard}"),
    log:
        "logs/shards/{shard}.log",
    localrule: True
    conda:
        "../../envs/media.yaml"
    params:
        members=lambda wildcards: PLAN.members(wildcards.shard),
    shell:
        "printf '%s\\n' {params.members:q} >{output:q} 2>{log:q}"
