"""Do processes of PyTorch on several nodes compute together? An all-reduce with a known sum, for groups of nodes.

Run through ``session.py --plan JSON`` on each node; `envkit.checks.fleet_groups` judges. The plan::

    node        the name of this node
    meetings    groups of nodes, in the order in which they meet; the first of a group leads it
    place       a folder that all nodes see; the leader of a meeting writes its addresses there
    backend     gloo, or nccl on the first GPU
    wait_s      seconds to find one another
    patience_s  seconds for an all-reduce, once all are there
    until_s     seconds for everything

The document has ``meetings``: ``nodes``, ``state`` (right, wrong, hangs, apart, failed), ``said``, ``elapsed_s``, and
with "right" ``bytes_per_s``. ``apart``: the nodes did not find one another.

Each meeting is a process of its own, which may hang or crash. The nodes agree by a store of PyTorch on the leader, and
compute through the network interface by which they reach it, unless GLOO_SOCKET_IFNAME or NCCL_SOCKET_IFNAME are set.
"""

import datetime
import json
import os
import re
import secrets
import select
import signal
import socket
import struct
import sys
import time

import envkit_session as session

ELEMENTS = 1 << 20
PERIOD = 1021  # an entry tells its place, so that mixed-up parts show; a prime, which no buffer's size is
CONNECT_S = 3.0
POLL_S = 0.05
GRACE_S = 5.0
PLACE = re.compile(r"\[/\S+:\d+\] ")  # of the source of gloo
SIOCGIFADDR = 0x8915  # netdevice(7)


class Apart(Exception):  # noqa: N818 - an outcome: the nodes do not find one another
    """The nodes of a meeting do not find one another; the text says which."""


class Meeting:
    """One meeting, in the process that takes part in it."""

    def __init__(self, torch, plan, number, nodes, tell, wait_s):
        """Keep the parts; `tell` hands a line to the parent."""
        self.torch, self.plan, self.nodes, self.tell = torch, plan, nodes, tell
        self.rank = nodes.index(plan["node"])
        self.file = os.path.join(plan["place"], "m%d.json" % number)
        self.until = time.monotonic() + wait_s
        self.patience = datetime.timedelta(seconds=plan["patience_s"])

    def left(self):
        """Return the seconds that are left to find one another."""
        return max(0.0, self.until - time.monotonic())

    def lead(self):
        """Open the store, tell where it is, and wait for all others; returns it with the address that they use."""
        waiting = datetime.timedelta(seconds=max(1.0, self.left()))
        own = addresses()
        host = own[0] if own else "localhost"
        store = self.torch.distributed.TCPStore(
            host, 0, len(self.nodes), is_master=True, timeout=waiting, wait_for_workers=False
        )
        token = secrets.token_hex(8)
        store.set("token", token)
        text = json.dumps({"addresses": own, "port": store.port, "token": token})
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.file + ".new", self.file)
        missing = self.nodes[1:]
        while missing:
            self.tell({"said": "%s did not come" % ", ".join(missing)})
            missing = [node for node in missing if not store.check(["at/" + node])]
            if missing and not self.left():
                raise Apart("%s did not come" % ", ".join(missing))
            time.sleep(POLL_S)
        store.set("go", "1")
        return store, store.get("at/" + self.nodes[1]).decode()

    def follow(self):
        """Find the leader's store; returns it with the own address that leads there."""
        leader = self.nodes[0]
        self.tell({"said": "%s did not come" % leader})
        while not os.path.exists(self.file):
            os.listdir(os.path.dirname(self.file))  # has NFS ask its server
            if not self.left():
                raise Apart("%s did not come" % leader)
            time.sleep(POLL_S)
        with open(self.file, encoding="utf-8") as file:
            where = json.load(file)
        there, own = self.reach(leader, where["addresses"] or ["localhost"], where["port"])
        waiting = datetime.timedelta(seconds=max(1.0, self.left()))
        store = self.torch.distributed.TCPStore(there, where["port"], len(self.nodes), is_master=False, timeout=waiting)
        if store.get("token").decode() != where["token"]:
            raise Apart("%s at %s is another machine" % (leader, there))
        store.set("at/" + self.plan["node"], there)
        self.tell({"said": "not all came"})
        store.wait(["go"], waiting)
        return store, own

    def reach(self, leader, places, port):
        """Return the first address of the leader that answers, and the own one that was used."""
        own = set(addresses())
        places = [place for place in places if place not in own] or places  # bridges have one address everywhere
        why = ""
        while True:
            for place in places:
                try:
                    with socket.create_connection((place, port), timeout=CONNECT_S) as connection:
                        return place, connection.getsockname()[0]
                except OSError as error:
                    why = str(error)
            said = "%s cannot be reached at %s, port %d: %s" % (leader, ", ".join(places), port, why)
            self.tell({"said": said})
            if not self.left():
                raise Apart(said)
            time.sleep(POLL_S)

    def run(self):
        """Meet, compute, and tell the outcome."""
        store, address = self.follow() if self.rank else self.lead()
        interface = interface_of(address)
        self.tell({"met": True, "said": "over %s (%s)" % (interface or "the default interface", address)})
        if interface:
            for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
                os.environ.setdefault(name, interface)
        distributed = self.torch.distributed
        distributed.init_process_group(
            self.plan["backend"], store=store, rank=self.rank, world_size=len(self.nodes), timeout=self.patience
        )
        self.tell(self.all_reduce())
        # The leader's store is needed until all have ended; what happens now is no outcome.
        store.set("done/" + self.plan["node"], "1")
        if not self.rank:
            store.wait(["done/" + node for node in self.nodes], datetime.timedelta(seconds=GRACE_S))

    def all_reduce(self):
        """Sum (rank + 1) times a pattern over all nodes, which float64 holds exactly; returns the outcome."""
        torch, distributed = self.torch, self.torch.distributed
        device = "cuda:0" if self.plan["backend"] == "nccl" else "cpu"
        pattern = torch.arange(ELEMENTS, dtype=torch.float64, device=device) % PERIOD + 1
        count = len(self.nodes)
        tensor = pattern * (self.rank + 1)
        distributed.all_reduce(tensor)
        wrong = (tensor != pattern * (count * (count + 1) // 2)).nonzero()
        if len(wrong):
            first = int(wrong[0])
            expected = (first % PERIOD + 1) * (count * (count + 1) // 2)
            said = "%d of %d sums are wrong, the first at %d: %r instead of %r"
            return {
                "state": "wrong",
                "said": said % (len(wrong), ELEMENTS, first, float(tensor[first]), float(expected)),
            }
        began = time.perf_counter()
        distributed.all_reduce(tensor)
        float(tensor[-1])  # waits for a GPU
        # What each process sends and receives in a ring, as NCCL's own tests count it.
        sent = 8 * ELEMENTS * 2 * (count - 1) / count
        return {"state": "right", "bytes_per_s": sent / (time.perf_counter() - began)}


def addresses():
    """Return the addresses of this machine's interfaces but loopback: IPv4, then IPv6."""
    found = [address for name, address in _ipv4() if name != "lo"]
    return found + [address for name, address in _ipv6() if name != "lo"]


def interface_of(address):
    """Return the interface that has an address, or None."""
    return next((name for name, own in _ipv4() + _ipv6() if own == address), None)


def _ipv4():
    try:
        import fcntl

        names = [name for _, name in socket.if_nameindex()]
    except (ImportError, OSError):
        return []
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in names:
            try:
                answer = fcntl.ioctl(asking.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # it has none
                continue
            found.append((name, socket.inet_ntoa(answer[20:24])))
    return found


def _ipv6():
    """Read the global ones (scope 00) of /proc/net/if_inet6 (proc(5))."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return []
    return [
        (row[5], socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])))
        for row in rows
        if len(row) == 6 and row[3] == "00"
    ]


def meet(torch, plan, number, nodes, wait_s):
    """Take part in a meeting, in a child that may hang; returns the outcome."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        take_part(torch, plan, number, nodes, wait_s, write_end)
    os.close(write_end)
    began = time.monotonic()
    outcome = listen(read_end, plan, began + wait_s + GRACE_S)
    os.close(read_end)
    ended = wait_for(child, 0.0 if outcome.get("state") in ("hangs", "apart") else GRACE_S * 2)
    if "state" not in outcome:
        said = "it was ended by signal %d" % (ended & 127) if ended & 127 else outcome.get("said", "")
        outcome.update(state="failed", said=said)
    return {"nodes": nodes, "elapsed_s": round(time.monotonic() - began, 3), **outcome}


def take_part(torch, plan, number, nodes, wait_s, write_end):
    """Run a meeting as the child, and leave."""

    def tell(line):
        os.write(write_end, (json.dumps(line) + "\n").encode())

    try:
        Meeting(torch, plan, number, nodes, tell, wait_s).run()
    except Apart as reason:
        tell({"state": "apart", "said": str(reason)})
    except BaseException as error:  # noqa: BLE001 - a framework may raise anything
        said = PLACE.sub("", session.describe(error)).partition(" This is typically")[0]
        state = "hangs" if "timed out" in said.lower() or "timeout" in said.lower() else "failed"
        tell({"state": state, "said": said[:300]})
    os._exit(0)


def listen(read_end, plan, until):
    """Gather what a child tells until it has an outcome, ends, or its time is up."""
    outcome, text = {}, b""
    met = False
    while "state" not in outcome:
        left = until - time.monotonic()
        if left <= 0:
            outcome["state"] = "hangs" if met else "apart"
            break
        if not select.select([read_end], [], [], left)[0]:
            continue
        data = os.read(read_end, 1 << 16)
        if not data:
            break
        text += data
        *lines, text = text.split(b"\n")
        for line in lines:
            told = json.loads(line.decode())
            if "state" not in outcome:  # what comes after the outcome is about leaving
                outcome.update(told)
            if told.get("met") and not met:
                met, until = True, time.monotonic() + plan["patience_s"] + GRACE_S
    outcome.pop("met", None)
    return outcome


def wait_for(child, seconds):
    """Give a child time to end, then end it; returns its status."""
    until = time.monotonic() + seconds
    while True:
        number, status = os.waitpid(child, os.WNOHANG)
        if number:
            return status
        if time.monotonic() >= until:
            break
        time.sleep(POLL_S)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def main(probe):
    """Take part in the meetings that have this node."""
    plan = probe.options.plan
    until = time.monotonic() + plan["until_s"]
    probe.step("import", "import torch")
    import torch
    import torch.distributed

    meetings = []
    probe.fact("meetings", meetings)
    if not torch.distributed.is_available():
        raise session.Skip("this build has no torch.distributed")
    ahead = 0  # meetings before this one may have kept a node for so long
    for number, nodes in enumerate(plan["meetings"]):
        if plan["node"] not in nodes:
            continue
        left = until - time.monotonic()
        if left < CONNECT_S:
            break
        probe.step("all-reduce", "all-reduce of %s" % ", ".join(nodes))
        wait_s = plan["wait_s"] + ahead * (plan["wait_s"] + plan["patience_s"] + 2 * GRACE_S)
        meetings.append(meet(torch, plan, number, nodes, min(left, wait_s)))
        ahead += 1
        probe.fact("meetings", meetings)
    sys.stderr.flush()
