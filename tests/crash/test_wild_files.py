"""Whatever a file holds, reading it ends with 0 or 2, says where the mistake is, and does nothing else."""

import json

import pytest

pytestmark = [pytest.mark.crash, pytest.mark.timeout(7200)]


def test_no_file_gets_more_than_a_message(fuzzers):
    """Begun with the first of the crash tests, which mostly wait; the seeds say which files those were."""
    for process in fuzzers:
        out, err = process.communicate()
        assert out, err
        result = json.loads(out.splitlines()[-1])
        assert result["bad"] == [], "\n".join(result["bad"])
        assert result["codes"].get("2", 0) > result["files"] // 4, "mutations that harm nothing test nothing"
