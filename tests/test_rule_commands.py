"""The commands of the rules whose jobs take long.

Snakemake runs a job again if the text of its rule's command has changed, even if only a name in it has. So a change of
such a text makes everyone who updates run 12,000 trailers through the stage again (finished products are found, but
classifiers are trained anew). If a change is worth that, write the new digest here and say so in CHANGELOG.md.
"""

from __future__ import annotations

import hashlib

import pytest

import workflow_lab as lab

DIGESTS = {
    "shard_list": "6ddc940d",
    "download": "81b7c698",
    "download_posters": "f4e5bc4d",
    "normalise": "e48ca34e",
    "shots": "c077314d",
    "clips": "3f82616c",
    "embed": "d6f2d56e",
    "embed_posters": "ed7ca7d7",
    "quality_of_shard": "16622be0",
    "pack": "6a87ca67",
    "classify": "a7357881",
    "search_shard": "4c5b2e07",
    "replicate_pack": "c144b60f",
}


@pytest.mark.parametrize("rule", DIGESTS)
def test_a_commands_text_stays_so_that_an_update_runs_nothing_again(rule):
    commands = lab.rule_commands()
    assert hashlib.sha256(commands[rule].encode()).hexdigest()[:8] == DIGESTS[rule], commands[rule]
