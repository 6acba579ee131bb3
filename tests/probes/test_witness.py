"""Many faults look at once through one witness."""

import json

from chaos.clock import VirtualClock
from chaos.probes.witness import SharedWitness


class Pod:
    """A witness pod as the API server passes requests on to it."""

    def __init__(self, clock):
        self.clock, self.asked, self.seqs = clock, 0, []

    def pod_request(self, namespace, pod, port, method, path, body=None):
        self.asked += 1
        since = int(path.rpartition("=")[2])
        readings = [{"seq": seq, "at": 1.0} for seq in self.seqs if seq > since][:2000]
        latest = self.seqs[-1] if self.seqs else 0
        return 200, json.dumps({"now": self.clock.now(), "latest": latest, "readings": readings}).encode()


def seqs(readings):
    return [each["seq"] for each in readings]


def test_what_one_has_fetched_a_moment_ago_does_for_all():
    clock = VirtualClock()
    pod = Pod(clock)
    eyes = SharedWitness(pod, "shop", "witness", clock=clock)
    pod.seqs = [1, 2, 3]
    assert seqs(eyes.readings(0)) == [1, 2, 3]
    asked = pod.asked
    pod.seqs.append(4)
    assert seqs(eyes.readings(1)) == [2, 3]
    assert seqs(eyes.readings(0)) == [1, 2, 3]
    assert pod.asked == asked
    clock.at += 0.1
    assert seqs(eyes.readings(2)) == [3, 4]


def test_a_witness_that_was_started_anew_counts_from_one_again():
    clock = VirtualClock()
    pod = Pod(clock)
    eyes = SharedWitness(pod, "shop", "witness", clock=clock)
    pod.seqs = [1, 2, 3]
    eyes.readings(0)
    pod.seqs = [1, 2]
    clock.at += 0.1
    assert seqs(eyes.readings(3)) == [1, 2]
    pod.seqs.append(3)
    clock.at += 0.1
    assert seqs(eyes.readings(2)) == [3]
