#!/usr/bin/env python3
"""Records what a real etcd makes of random operations: the vectors of hash_kv.rs.

    record.py ETCD SEED > hash_kv.jsonl

ETCD is the path of an etcd binary, 3.4 or newer. It is started on loopback with an empty folder for each sequence and asked
over its JSON gateway. Each line is what was asked, as this project writes it, and what came of it.
"""

import base64
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SEQUENCES = 6
OPERATIONS = 80


def encode(text):
    """Bytes of our text form, in which \\xNN stands for a byte that is not printable, as base64."""
    raw = re.sub(rb"\\x(..)", lambda match: bytes([int(match[1], 16)]), text.encode())
    return base64.b64encode(raw).decode()


class Etcd:
    """One etcd with one member, on ports that are free now."""

    def __init__(self, binary):
        self.folder = tempfile.mkdtemp(prefix="etcd-vectors-")
        client, peer = free_port(), free_port()
        self.url = f"http://127.0.0.1:{client}"
        self.peers = peers = f"http://127.0.0.1:{peer}"
        self.process = subprocess.Popen(
            [binary, "--name", "one", "--data-dir", f"{self.folder}/one", "--unsafe-no-fsync", "--log-level", "error",
             "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
             "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"one={peers}"],
            stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.ask("kv/range", {"key": encode("k")})
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    sys.exit("etcd did not answer within 20 s")
                time.sleep(0.05)

    def ask(self, path, body):
        """The answer, or etcd's error text."""
        request = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return {"error": json.load(error)["error"]}

    def hash_kv(self, revision):
        """The same, from where members ask each other; the gateway of 3.5 does not offer it."""
        body = json.dumps({"revision": revision}).encode()
        request = urllib.request.Request(f"{self.peers}/members/hashkv", body, method="GET")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return {"error": error.read().decode().strip()}

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def range_of(keys):
    end = keys["end"]
    body = {"key": encode(keys["start"])}
    if end == "Unbounded":
        body["range_end"] = base64.b64encode(b"\0").decode()
    elif end != "Single":
        body["range_end"] = encode(end["Before"])
    return body


def to_etcd(operation):
    """The path and body for one of our requests."""
    (kind, asked), = operation.items()
    if kind == "put":
        body = {"key": encode(asked["key"]), "value": encode(asked["value"])}
        for field in ("lease", "ignore_value", "ignore_lease"):
            if field in asked:
                body[field] = asked[field]
        return "kv/put", body
    if kind == "delete_range":
        return "kv/deleterange", range_of(asked["range"])
    if kind == "compact":
        return "kv/compaction", {"revision": asked["revision"], "physical": True}
    if kind == "lease":
        if "grant" in asked:
            return "lease/grant", {"ID": asked["grant"]["lease"], "TTL": asked["grant"]["ttl"]}
        return "lease/revoke", {"ID": asked["revoke"]}
    names = {"put": "request_put", "delete_range": "request_delete_range", "txn": "request_txn"}
    branch = lambda ops: [{names[next(iter(op))]: to_etcd(op)[1]} for op in ops]
    compares = [{"key": encode(compare["range"]["start"]), "target": "VERSION", "result": "GREATER",
                 "version": compare["target"]["version"]} for compare in asked["compares"]]
    return "kv/txn", {"compare": compares, "success": branch(asked["success"]), "failure": branch(asked["failure"])}


class Sequence:
    """Random operations on few keys, so that they meet."""

    def __init__(self, rng, etcd):
        self.rng, self.etcd = rng, etcd
        self.revision, self.compacted, self.leases = 1, 0, []
        self.keys = [f"k{i}" for i in range(rng.choice([2, 5, 12]))] + ["\\x00", "k\\xff\\xfe"]
        self.deletes = rng.choice([1, 3])

    def value(self):
        return "v" * self.rng.choice([0, 0, 1, 2, 3, 20, 126]) + str(self.rng.randrange(100))

    def put(self, key):
        put = {"key": key, "value": self.value()}
        luck = self.rng.random()
        if self.leases and luck < 0.3:
            put["lease"] = self.rng.choice(self.leases)
        elif luck < 0.4:
            put["ignore_lease"] = True
        elif luck < 0.5:
            put.update(value="", ignore_value=True)
        return {"put": put}

    def delete(self):
        start, end = sorted(self.rng.sample(self.keys, 2))
        end = self.rng.choice(["Single", "Single", {"Before": end}, "Unbounded"])
        return {"delete_range": {"range": {"start": start, "end": end}}}

    def txn(self, depth=0):
        def branch():
            keys = self.rng.sample(self.keys, self.rng.randrange(1, 4))
            ops = [self.put(key) for key in keys]
            if self.rng.random() < 0.3:
                ops = [self.delete()]
            elif depth == 0 and self.rng.random() < 0.3:
                ops = [self.txn(1)]
            return ops
        compare = {"range": {"start": self.rng.choice(self.keys), "end": "Single"}, "relation": "greater",
                   "target": {"version": self.rng.randrange(3)}}
        return {"txn": {"compares": [compare], "success": branch(), "failure": branch()}}

    def operation(self):
        kind = self.rng.choices(["put", "delete", "txn", "grant", "revoke", "compact"],
                                [8, 2 * self.deletes, 6, 1, 0.7, 0.8])[0]
        if kind == "put":
            return self.put(self.rng.choice(self.keys))
        if kind == "delete":
            return self.delete()
        if kind == "grant":
            return {"lease": {"grant": {"lease": self.rng.randrange(1, 1 << self.rng.choice([3, 62])), "ttl": 6000}}}
        if kind == "revoke" and self.leases:
            return {"lease": {"revoke": self.rng.choice(self.leases)}}
        if kind == "compact":
            return {"compact": {"revision": self.rng.randrange(self.compacted + 1, self.revision + 2)}}
        return self.txn()

    def do(self, operation):
        answer = self.etcd.ask(*to_etcd(operation))
        row = {"request": operation}
        if "error" in answer:
            row["error"] = answer["error"]
        else:
            revision = answer.get("header", {}).get("revision")
            self.revision = int(revision or self.revision)
            row["revision"] = self.revision
            if "compact" in operation:
                self.compacted = operation["compact"]["revision"]
            if "lease" in operation:
                grant = operation["lease"].get("grant")
                if grant:
                    self.leases.append(grant["lease"])
                else:
                    self.leases.remove(operation["lease"]["revoke"])
        return row

    def hash(self, revision):
        answer = self.etcd.hash_kv(revision)
        if "error" in answer:
            return {"hash_kv": revision, "error": answer["error"]}
        return {"hash_kv": revision, "hash": answer["hash"], "compacted": answer["compact_revision"]}

    def play(self):
        yield {"start": True}
        for _ in range(OPERATIONS):
            yield self.do(self.operation())
            yield self.hash(0)
            if self.rng.random() < 0.4:
                yield self.hash(self.rng.randrange(self.compacted, self.revision + 2))
        # Nothing is left, then the compaction moves up to that: no version is kept.
        yield self.do({"delete_range": {"range": {"start": "\\x00", "end": "Unbounded"}}})
        yield self.hash(0)
        yield self.do({"compact": {"revision": self.revision}})
        yield self.hash(0)
        yield self.do(self.put(self.keys[0]))
        yield self.hash(0)
        yield self.hash(self.compacted)


def main():
    binary, seed = sys.argv[1], int(sys.argv[2])
    rng = random.Random(seed)
    for _ in range(SEQUENCES):
        etcd = Etcd(binary)
        try:
            for row in Sequence(rng, etcd).play():
                print(json.dumps(row, separators=(",", ":")))
        finally:
            etcd.stop()


if __name__ == "__main__":
    main()
