"""Copies what the package reads besides its modules into the wheel; everything else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# Left where they are in a checkout, since Snakemake and its users look for them there (trailers/project.py).
PROJECT_FILES = ("Snakefile", "config.yaml", "workflow", "profiles", "envs", "LICENSE", "NOTICE")


class BuildWithProjectFiles(build_py):
    """``build_py``, and the project's files into trailers/_project."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "trailers" / "_project"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in PROJECT_FILES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
            else:
                shutil.copy2(source, target / name)


setup(cmdclass={"build_py": BuildWithProjectFiles})
