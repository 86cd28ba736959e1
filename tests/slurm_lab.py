"""A SLURM cluster of one node on this machine, with its own configuration, keys and state.

    with SlurmLab() as lab:
        subprocess.run(["sbatch", ...], env=lab.environment())

Needs root and Debian's slurmctld, slurmd, slurm-client, slurm-wlm-basic-plugins and munge.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo")

SLURM_CONF = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
MpiDefault=none
ReturnToService=2
MinJobAge=86400
KillWait=2
OverTimeLimit=0
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

# The plugin for job steps removes every SLURM_ variable, including SLURM_CONF, before it calls srun.
SRUN = """#!/bin/sh
export SLURM_CONF={folder}/slurm.conf
exec {srun} "$@"
"""


def missing() -> str:
    """Why the cluster cannot be started on this machine; "" if it can."""
    if os.geteuid() != 0:
        return "starting SLURM needs root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return (
        f"not installed: {', '.join(absent)} (Debian: slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge)"
        if absent
        else ""
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SlurmLab:
    """One node of eight CPUs and two simulated GPUs."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-lab-"))
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> SlurmLab:
        try:
            self.write()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write(self) -> None:
        self.folder.chmod(0o755)  # munged refuses a socket in a folder that others cannot enter
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        values = {"folder": self.folder, "host": socket.gethostname().split(".")[0]}
        ports = {"controller_port": free_port(), "node_port": free_port()}
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**values, **ports))
        # A GPU must be a character device whose name ends in its number.
        for number in range(2):
            (self.folder / f"nvidia{number}").symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/nvidia[0-1]\n")
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o400)
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(SRUN.format(folder=self.folder, srun=shutil.which("srun")))
        wrapper.chmod(0o755)

    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        folder = self.folder
        files = {
            "key-file": "munge.key",
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "log-file": "munged.log",
            "seed-file": "munged.seed",
        }
        self.daemon("munged", "--foreground", "--force", *(f"--{flag}={folder / name}" for flag, name in files.items()))
        self.wait("munged", lambda: (folder / "munge.socket").exists())
        self.daemon("slurmctld", "-D", "-f", str(folder / "slurm.conf"))
        self.daemon("slurmd", "-D", "-f", str(folder / "slurm.conf"))
        self.wait("slurmd", lambda: "idle" in self.output("sinfo", "--noheader", "--format=%T"))

    def daemon(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            self.daemons.append(
                subprocess.Popen(command, env=self.environment(), stdout=out, stderr=out, start_new_session=True)
            )

    def output(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False, timeout=60)
        return done.stdout

    def wait(self, what: str, ready: object) -> None:
        deadline = time.monotonic() + 30
        while not ready():  # type: ignore[operator]
            if time.monotonic() > deadline:
                logs = {path.name: path.read_text()[-1000:] for path in self.folder.glob("*.log")}
                raise RuntimeError(f"{what} did not start: {logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        if (self.folder / "slurmctld.pid").exists():
            self.output("scancel", "--user=root", "--signal=KILL")
            self.output("scancel", "--user=root")
            time.sleep(0.5)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
