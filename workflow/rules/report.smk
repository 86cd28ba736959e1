# What came of a study: counts, failures, shots and clips, metrics (Sec. 3, 7).
#
# in   all ledgers and metrics of the study
# out  results/report/index.html; the demo's is results/report/demo/index.html


rule report:
    input:
        ledgers=STUDIES["study"].all_ledgers,
        metrics=STUDIES["study"].metrics,
    output:
        STUDIES["study"].report(),
    log:
        "logs/report/study.log",
    conda:
        "../../envs/torch.yaml"
    params:
        manifest=STUDIES["study"].manifest,
    shell:
        "python -m trailers report --manifest {params.manifest:q} --ledgers {input.ledgers} --metrics {input.metrics}"
        " --output {output} >{log} 2>&1 && echo 'The report: {output}' >&2"


use rule report as report_demo with:
    input:
        ledgers=STUDIES["demo"].all_ledgers,
        metrics=STUDIES["demo"].metrics,
    output:
        STUDIES["demo"].report(),
    log:
        "logs/report/demo.log",
    params:
        manifest=STUDIES["demo"].manifest,
