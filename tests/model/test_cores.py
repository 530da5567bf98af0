"""Threads follow what a process may use: its affinity and the quota of its control groups, whatever their version."""

import math
import os

import pytest

from charrnn.model import cores
from charrnn.model.cores import quota, usable_cores


def groups(folder, mine, files):
    """A file system of control groups in `folder`, and what /proc says of this process."""
    for name, content in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    (folder / "self").write_text(mine + "\n")
    return folder / "cgroup", folder / "self"


ABC = "cpu,cpuacct/docker/abc"
V1 = "12:cpuset:/\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc"


@pytest.mark.parametrize(
    ("mine", "files", "expected"),
    [
        ("0::/", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/", {"cpu.max": "max 100000"}, math.inf),
        ("0::/", {}, math.inf),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "20000 10000", "a/cpu.max": "400000 100000", "c/cpu.max": "1 100000"}, 2.0),
        ("0::/outside/of/the/container", {"cpu.max": "25000 50000"}, 0.5),
        ("0::/", {"cpu.max": "no numbers"}, math.inf),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 0.5),
        (V1, {f"{ABC}/cpu.cfs_quota_us": "-1", f"{ABC}/cpu.cfs_period_us": "100000"}, math.inf),
        ("nonsense", {"cpu.max": "50000 100000"}, math.inf),
    ],
)  # fmt: skip
def test_the_quota_is_the_least_of_all_groups_around_a_process(tmp_path, mine, files, expected):
    assert quota(*groups(tmp_path, mine, files)) == expected


def test_a_machine_without_control_groups_grants_everything(tmp_path):
    assert quota(tmp_path, tmp_path / "missing") == math.inf


@pytest.mark.parametrize(
    ("granted", "affinity", "expected"),
    [(math.inf, 8, 8), (math.inf, 3, 3), (0.5, 8, 1), (1.5, 8, 2), (4, 2, 2), (8, 8, 8), (0.01, 1, 1)],
)
def test_threads_are_the_fewest_that_anything_allows(monkeypatch, granted, affinity, expected):
    monkeypatch.setattr(cores, "quota", lambda: granted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(affinity)), raising=False)
    found, why = usable_cores(8)
    assert found == expected
    assert ("quota" in why) == (expected < affinity)
    assert ("may use" in why) == (expected == affinity < 8)
