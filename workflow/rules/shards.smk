# Split the manifest into shards of consecutive rows, one job each.
#
# in   the manifest
# out  results/shards/{shard}.txt: one trailer id per line


# The members of one shard. Its name depends on its members, so a list never changes.
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
