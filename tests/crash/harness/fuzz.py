"""Files that nobody should have to fear: mutations of every file that is shipped, through `gameday validate`.

`python harness/fuzz.py FOLDER COUNT SEED`: in a process of its own, which may neither start a process, nor open a socket, nor
write a file. Prints one JSON line; exit 1 when a property does not hold, with the file that shows it kept in FOLDER.
"""

import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("GAMEDAY_UNDER_TEST") or Path(__file__).parents[3])
SLOWEST, LARGEST = 1.0, 256  # seconds of CPU for a file; MB
_PLACE = re.compile(r"\.yaml(:\d+:\d+)?: ")
_VALUES = (
    "no", "yes", "on", "~", "null", "1_000", "0o17", "0x1F", "NaN", ".nan", ".inf", "1e999", "-1", "-5s", "0", "0s", "1", "true",
    "99999999999999999999", "9999d", "5y", "1000000h", "101%", "-1%", "1e400%", "0/s", "5/fortnight", "{}", "[]", "''", '""', "[[]]",
    "../../x", "/etc/passwd", "..", "a/../../b.py", "\u202egnp.exe", "\u0000", "\ud83d", "\uFEFFx", "e\u0301", "x" * 300, "2026-02-30",
    "!!python/object/apply:os.system ['true']", "!!binary aGk=", "!!set {a, b}", "!x y", "&a [*a]", "&a {b: *a}", "*nobody", "<<: {a: 1}",
    "{<<: *x}", "|\n  a", ">-\n  b", "? a", "- a", "a: b: c", "%YAML 9", "---", "...", "# only", "@at", "`tick`", "{a: 1, a: 2}", "12:30:45",
    "${HOME}", "$(id)", "{{ 7*7 }}", "'; DROP TABLE", "<script>", "=", "0.1.2", "1,5s", "１s", "٣s", "30 s", "30S", "1m1m", "s",
)  # fmt: skip


def _lines(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    what = rng.randrange(6)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif what == 2:
        lines[at] = " " * rng.randint(0, 9) + lines[at].lstrip()
    elif what == 3:
        lines[at] = lines[at].replace("  ", "\t", 1)
    elif what == 4:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines = lines[:at]
    return "\n".join(lines)


def _value(rng: random.Random, text: str) -> str:
    """Another value for some key, or in some flow mapping."""
    found = list(re.finditer(r"(?<=: )[^\n{}\[\],]+", text))
    if not found:
        return text + rng.choice(_VALUES)
    spot = rng.choice(found)
    return text[: spot.start()] + rng.choice(_VALUES) + text[spot.end() :]


def _key(rng: random.Random, text: str) -> str:
    found = list(re.finditer(r"\b[a-z_]+(?=: )", text))
    spot = rng.choice(found) if found else None
    if spot is None:
        return text
    word = spot.group()
    cut = rng.randrange(len(word))
    new = rng.choice(
        (word[:cut] + word[cut + 1 :], word.upper(), word + "x", word[::-1], "__proto__", rng.choice(found).group(), "")
    )
    return text[: spot.start()] + new + text[spot.end() :]


def _letters(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + rng.choice(("\0", "\t", "\r", "\u2028", "\u202e", "\ufffd", "*", "&", "!", "{", "]", ":", "-", "'", '"', "é"))
        + text[at:]
    )


def _huge(rng: random.Random, text: str) -> str:
    what = rng.randrange(5)
    if what == 0:
        return text.replace(": ", ": " + "y" * 400_000, 1)
    if what == 1:
        return text + "x: " + "[" * 10_000
    if what == 2:
        return text + "x: " + "{a: " * 5_000
    if what == 3:
        return "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'lol'] * 9)}]\n" for n in range(12))
    return "- a\n" * 60_000


MUTATIONS: tuple[Callable[[random.Random, str], str], ...] = (_lines, _value, _value, _value, _key, _key, _letters)


def mutate(rng: random.Random, text: str) -> bytes:
    """One to four changes, and now and then another encoding."""
    if rng.random() < 0.002:
        text = _huge(rng, text)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        text = rng.choice(MUTATIONS)(rng, text)
    raw = text.encode("utf-8", "surrogatepass")
    turn = rng.random()
    if turn < 0.01:
        return text.replace("\n", "\r\n").encode("utf-8", "surrogatepass")
    if turn < 0.015:
        return text.encode("utf-16", "surrogatepass")
    if turn < 0.03 and raw:
        at = rng.randrange(len(raw))
        return raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
    return raw


class Watcher:
    """Notes everything that reading a file must not do."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and self._forbidden(event, arguments):
            self.seen.append(f"{event} {arguments!r}"[:300])

    @staticmethod
    def _forbidden(event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            mode, flags = arguments[1], arguments[2]
            return any(letter in str(mode or "") for letter in "wax+") or bool(
                int(flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
        return event.startswith(
            ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "os.mkdir", "os.remove")
        )


def fuzz(folder: Path, count: int, seed: int) -> dict[str, Any]:
    sys.path.insert(0, str(ROOT))
    from chaos.cli import main

    for name in ("scenarios", "experiments"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    os.environ["GAMEDAY_STATE"] = str(folder / "state")
    os.chdir(folder)
    seeds = [
        (path.parent, path.read_text())
        for name in ("scenarios", "experiments", "scenarios/services")
        for path in sorted(Path(name).glob("*.yaml"))
    ]
    files = {parent: os.open(parent / "fuzz.yaml", os.O_RDWR | os.O_CREAT) for parent, _ in seeds}
    for parent, text in seeds:  # everything is imported before the watch begins
        _write(files[parent], text.encode())
        _run(main, parent / "fuzz.yaml")
        os.ftruncate(files[parent], 0)
    watcher = Watcher()
    sys.addaudithook(watcher)
    codes: Counter[int] = Counter()
    slowest, bad = 0.0, []
    rng = random.Random(seed)
    for number in range(count):
        parent, text = rng.choice(seeds)
        content = mutate(rng, text)
        _write(files[parent], content)
        watcher.on = True
        started = time.process_time()
        code, said = _run(main, parent / "fuzz.yaml")
        took = time.process_time() - started
        watcher.on = False
        codes[code] += 1
        slowest = max(slowest, took)
        problems = [f"exit {code}"] if code not in (0, 2) else []
        problems += ["a traceback"] if "Traceback" in said else []
        problems += ["no place in the message"] if code == 2 and not _PLACE.search(said) else []
        problems += [f"{took:.1f} s"] if took > SLOWEST * float(os.environ.get("GAMEDAY_SPARE", "3")) else []
        problems += watcher.seen
        watcher.seen.clear()
        if problems:
            kept = folder / f"bad-{seed}-{number}.yaml"
            kept.write_bytes(content)
            bad.append(f"{kept} (in {parent}): {'; '.join(problems)}: {said[-300:]}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if memory > LARGEST:
        bad.append(f"{memory} MB")
    return {
        "files": count,
        "seed": seed,
        "codes": dict(codes),
        "slowest": round(slowest, 3),
        "megabytes": memory,
        "bad": bad[:20],
    }


def _write(handle: int, content: bytes) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, content, 0)


def _run(main: Any, path: Path) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main.run(["validate", str(path)])
    return code, said.getvalue()


if __name__ == "__main__":
    result = fuzz(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(result) + "\n")
    raise SystemExit(1 if result["bad"] else 0)
