# The real pipeline on a dozen trailers that it makes itself: `snakemake demo --cores all`.

DEMO_CUTS = "results/demo/cuts.csv"


rule demo_videos:
    output:
        DEMO_CUTS,
    log:
        "logs/demo.log",
    conda:
        "../../envs/media.yaml"
    threads: 2
    shell:
        "python -m trailers demo --output results/demo >{log} 2>&1"


rule demo:
    localrule: True
    input:
        STUDIES["demo"].report(),
