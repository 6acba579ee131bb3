import json
import os

from chaos.load.child.outlet import Pipe, ToMaster


def test_a_runner_that_does_not_read_never_blocks_the_generator_and_loses_nothing(tmp_path):
    reader, writer = os.pipe()
    pipe = Pipe(writer, str(tmp_path))
    sent = [{"second": number, "names": {"x" * 1000: {}}} for number in range(500)]
    pipe.send(sent, {})  # far more than a pipe holds
    os.set_blocking(reader, False)
    read = b""
    while len(read.splitlines()) < 500 or not read.endswith(b"\n"):
        read += os.read(reader, 1 << 20)
        pipe.send([], {})
    assert [json.loads(line) for line in read.splitlines()] == sent
    os.close(reader)
    pipe.send(sent, {})  # the runner is gone: no error, no memory
    os.close(writer)


def test_ids_go_to_their_files(tmp_path):
    reader, writer = os.pipe()
    pipe = Pipe(writer, str(tmp_path))
    pipe.send([], {"acknowledged": ['{"id": "a"}\n'], "attempted": ['{"id": "a"}\n', '{"id": "b"}\n']})
    files = ("acknowledged", "attempted")
    told = {name: [json.loads(line)["id"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()] for name in files}
    assert told == {"acknowledged": ["a"], "attempted": ["a", "b"]}
    os.close(reader)
    os.close(writer)


def test_a_workers_records_arrive_as_they_were():
    class Runner:
        def send_message(self, kind, data):
            self.sent = (kind, data)

    runner = Runner()
    ToMaster(runner).send([{"second": 1, "names": {"buy": {"latencies": {300: 2}}}}], {"attempted": ["a line"]}, drained=True)
    records, ids, drained = ToMaster.unpack(runner.sent[1])
    assert records[0]["names"]["buy"]["latencies"] == {"300": 2}
    assert (ids, drained) == ({"attempted": ["a line"]}, True)
