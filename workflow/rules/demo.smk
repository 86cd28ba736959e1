# Run the whole pipeline on a dozen trailers that it makes itself: `snakemake demo --cores all`.


rule demo_videos:
    output:
        "results/demo/cuts.csv",
    log:
        "logs/demo.log",
    conda:
        "../../envs/media.yaml"
    threads: 2
    shell:
        "python -m trailers demo --output results/demo >{log:q} 2>&1"


rule demo:
    input:
        target(DEMO, DEMO.report),
        when_needed(DEMO.page_index),
    localrule: True
