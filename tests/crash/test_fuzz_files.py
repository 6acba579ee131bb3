"""Whatever a file holds, reading it ends with 0 or 2, says where the mistake is, and does nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.crash, pytest.mark.timeout(7200)]
PROGRAM = Path(__file__).parent / "harness" / "fuzz.py"
FILES = int(os.environ.get("GAMEDAY_FUZZ", "20000"))


def test_no_file_gets_more_than_a_message(tmp_path):
    """Two processes share the files; the seeds say which those were."""
    started = []
    for seed in (1, 2):
        (folder := tmp_path / str(seed)).mkdir()
        command = [sys.executable, str(PROGRAM), str(folder), str(FILES // 2), str(seed)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    results = []
    for process in started:
        out, err = process.communicate()
        assert out, err
        results.append(json.loads(out.splitlines()[-1]))
    for result in results:
        assert result["bad"] == [], "\n".join(result["bad"])
        assert result["codes"].get("2", 0) > result["files"] // 4, "mutations that harm nothing test nothing"
