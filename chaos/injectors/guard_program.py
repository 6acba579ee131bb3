"""The guard: when a run has given no sign of life for its time, it puts back what the run changed. Any Python from 3.9 on.

It watches the run's lease. A lease that nobody renews for TTL seconds, by this pod's own clock, it takes over, so that a
runner that was only stalled finds out and writes nothing more. Then it carries out the undo calls of the run's ledger in the
cluster, reads back, writes down what it found, and takes away what the run made, itself last.
"""

import importlib.util
import json
import os
import signal
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
LOOK_EVERY = 1.0
CALL_WITHIN = 2.0
DRAIN = 1.5  # seconds for nodes to follow a changed Service, before what stood in its path goes
INSIST = 600.0  # seconds in which an undo is tried again
HOLDER = "guard/"


def _putting_back():
    spec = importlib.util.spec_from_file_location("putting_back", os.path.join(HERE, "putting_back.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


putting_back = _putting_back()


class Trouble(Exception):
    """The API server said no, or nothing."""


class Kube(putting_back.Api):
    """The API server, as the pod's service account may use it."""

    def __init__(self, kinds):
        self.kinds = kinds  # kind -> [api version, plural, namespaced]
        self.base = os.environ.get("GAMEDAY_API") or "https://{}:{}".format(
            os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
        )
        secure = self.base.startswith("https")
        self.context = ssl.create_default_context(cafile=ACCOUNT + "/ca.crt") if secure else None

    def path(self, kind, namespace, name="", below=""):
        version, plural, namespaced = self.kinds[kind]
        root = "/apis/" + version if "/" in version else "/api/" + version
        space = "/namespaces/" + namespace if namespaced and namespace else ""
        return root + space + "/" + plural + ("/" + name if name else "") + ("/" + below if below else "")

    def call(self, method, path, body=None, content="application/json"):
        """(status, answer). Trouble when the server does not answer, or answers that it cannot."""
        headers = {"Accept": "application/json", "Content-Type": content}
        if os.path.exists(ACCOUNT + "/token"):
            with open(ACCOUNT + "/token") as file:  # it is renewed: read each time
                headers["Authorization"] = "Bearer " + file.read().strip()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=CALL_WITHIN, context=self.context) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code in (404, 409, 422):
                return error.code, {}
            raise Trouble(f"{method} {path}: HTTP {error.code}") from error
        except (OSError, ValueError) as error:
            raise Trouble(f"{method} {path}: {error}") from error

    def get(self, kind, name, namespace):
        status, found = self.call("GET", self.path(kind, namespace, name))
        return found if status == 200 else None

    def create(self, obj):
        status, _ = self.call("POST", self.path(obj["kind"], obj["metadata"].get("namespace", "")), obj)
        if status not in (200, 201, 409):
            raise Trouble("create {}: HTTP {}".format(obj["kind"], status))

    def patch(self, call, patch):
        path = self.path(call["kind"], call.get("namespace", ""), call["name"], call.get("subresource", ""))
        status, _ = self.call("PATCH", path, patch, "application/json-patch+json")
        if status == 409:
            raise Trouble("patch {}: it was being changed".format(call["name"]))
        return status == 200

    def replace(self, obj):
        """Whether it could be: only if it still is of the version that was read."""
        meta = obj["metadata"]
        status, _ = self.call("PUT", self.path(obj["kind"], meta.get("namespace", ""), meta["name"]), obj)
        return status == 200

    def delete(self, kind, name, namespace, uid):
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if kind == "Pod":
            options["gracePeriodSeconds"] = 0
        self.call("DELETE", self.path(kind, namespace, name), options)

    def merge(self, kind, name, namespace, patch):
        status, _ = self.call("PATCH", self.path(kind, namespace, name), patch, "application/merge-patch+json")
        return status == 200


class Guard:
    """Watches one run, and acts once."""

    def __init__(self, kube, env):
        self.kube = kube
        self.namespace = env["NAMESPACE"]
        self.run = env["RUN"]
        self.ledger = env["LEDGER"]
        self.lease = env["LEASE"]
        self.owner = env["OWNER"]
        self.ttl = float(env["TTL"])
        self.own = json.loads(env["OWN"])  # what the owner cannot collect: undo calls for the guard's own objects
        self.ready = False

    def watch(self):
        """Returns when the run has been silent for its time, and the lease is ours."""
        seen, since = None, time.monotonic()
        while True:
            try:
                lease = self.kube.get("Lease", self.lease, self.namespace)
                if not self.ready:
                    self.ready = self.head() is not None
                spec = (lease or {}).get("spec", {})
                if spec.get("holderIdentity") == HOLDER + self.run:
                    return  # taken over before this pod was started anew
                if spec.get("holderIdentity") == self.run and lease["metadata"]["resourceVersion"] != seen:
                    seen, since = lease["metadata"]["resourceVersion"], time.monotonic()
                if time.monotonic() - since >= self.ttl and self.take_over(lease):
                    return
            except Trouble as trouble:
                say(f"cannot look: {trouble}")
            time.sleep(min(LOOK_EVERY, max(0.05, self.ttl / 10)))

    def take_over(self, lease):
        """Whether the lease is ours now: only if it still is as it was when it was last seen."""
        if lease is None or lease["spec"].get("holderIdentity") != self.run:
            return True  # nobody renews it any more: the run would find it lost as well
        taken = self.kube.replace({**lease, "spec": {**lease["spec"], "holderIdentity": HOLDER + self.run}})
        if taken:
            say(f"no sign of life of run {self.run} for {self.ttl:.0f} s: putting back what it changed")
        return taken

    def head(self):
        return self.kube.get("ConfigMap", self.ledger, self.namespace)

    def entries(self):
        """What the run may have changed; None when there is no ledger any more, for then all is clean."""
        head = self.head()
        if head is None:
            return None
        text = head["data"]["entries"]
        for number in range(1, int(head["data"]["parts"]) + 1):
            part = self.kube.get("ConfigMap", f"{self.ledger}-{number}", self.namespace)
            text += part["data"]["entries"] if part else ""
        return json.loads(text)

    def act(self):
        """Put back, read back, write down; again until all is known."""
        until, entries, left = time.monotonic() + INSIST, None, {"?": "unknown"}
        while left and time.monotonic() < until:
            try:
                entries = self.entries()
                if entries is None:
                    return
                left = self.put_back([each for each in entries if each["calls"]])
                self.tell(entries, left)
                if left and all(putting_back.THEIRS in words for words in left.values()):
                    break  # what somebody else changed stays: nothing to insist on
                self.prolong()
            except Trouble as trouble:
                say(f"not done yet: {trouble}")
            if left:
                time.sleep(LOOK_EVERY)
        if not left:
            self.leave()

    def put_back(self, entries):
        """entry id -> what is not put back. Changes first, together; then, after a pause, what stood in their way."""
        calls = [(each["entry"]["id"], call) for each in entries for call in each["calls"]]
        trouble = {}

        def carry_out(named):
            try:
                putting_back.carry_out(named[1], self.kube)
            except putting_back.NotPutBack as error:
                trouble[named[0]] = str(error)
            except Trouble as error:
                trouble[named[0]] = f"unknown: {error}"

        def read_back(named):
            try:
                return named[0], putting_back.left(named[1], self.kube)
            except Trouble as error:
                return named[0], f"unknown: {error}"

        changed = [each for each in calls if each[1]["do"] != "delete"]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(carry_out, changed))
            if changed:
                time.sleep(DRAIN)
            list(pool.map(carry_out, [each for each in calls if each[1]["do"] == "delete" and each[0] not in trouble]))
            for name, words in pool.map(read_back, calls):
                if words:
                    trouble.setdefault(name, words)
        return trouble

    def tell(self, entries, left):
        done = [each for each in entries if each["calls"] or each["nothing_stays"]]
        known = {each["entry"]["id"]: left.get(each["entry"]["id"], "") for each in done}
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = {"by": "guard", "at": at, "entries": known}
        for name, words in sorted(known.items()):
            say("{}: {}".format(name, words or "clean"))
        self.kube.merge("ConfigMap", self.ledger, self.namespace, {"data": {"record": json.dumps(record)}})

    def prolong(self):
        """The owner of what the run made, this pod included, lives on while there is something left to do."""
        job = self.kube.get("Job", self.owner, self.namespace)
        if job is not None:
            deadline = {"spec": {"activeDeadlineSeconds": job["spec"]["activeDeadlineSeconds"] + 5}}
            self.kube.merge("Job", self.owner, self.namespace, deadline)

    def leave(self):
        """All is clean: nobody holds the lease, and with the owner goes what the run made, this pod included."""
        for step in (self.give_back_lease, self.remove_own):
            try:
                step()
            except Trouble as trouble:
                say(f"left to the owner's deadline: {trouble}")

    def give_back_lease(self):
        lease = self.kube.get("Lease", self.lease, self.namespace)
        if lease is not None and lease["spec"].get("holderIdentity") == HOLDER + self.run:
            self.kube.replace({**lease, "spec": {**lease["spec"], "holderIdentity": ""}})

    def remove_own(self):
        self.kube.delete("Job", self.owner, self.namespace, "")
        for call in self.own:
            putting_back.carry_out(call, self.kube)


def say(text):
    print(text, flush=True)  # noqa: T201


def serve(guard, address, port):
    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if guard.ready else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((address, port), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    guard = Guard(Kube(json.loads(os.environ["KINDS"])), os.environ)
    serve(guard, os.environ.get("POD_IP", ""), int(os.environ["PORT"]))
    guard.watch()
    guard.act()
    say("done")
    while True:
        time.sleep(3600)  # a Deployment would start it anew; its owner takes it away


if __name__ == "__main__":
    main()
