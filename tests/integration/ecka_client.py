"""A second client of eckad, made of pyzmq and ecka.proto alone."""
import itertools
import os
import re
import time

import zmq

import ecka_pb2 as pb

EID_LEN, POINT_LEN, SIGNATURE_LEN, KCVS_LEN, CUSTODY_LEN = 16, 65, 64, 9, 4


def _status_names():
    definition = os.path.join(os.environ["ECKA_SOURCE"], "proto", "status.def")
    with open(definition, encoding="utf-8") as file:
        return {int(code): name for name, code in re.findall(r"^STATUS\((\w+), (\d+),",
                                                             file.read(), re.M)}


NAMES = _status_names()


def names(item_status):
    """The names of a column of statuses."""
    return [NAMES[code] for code in item_status]


def column(octets, width):
    assert len(octets) % width == 0
    return [octets[i:i + width] for i in range(0, len(octets), width)]


class NoReply(Exception):
    pass


class Client:
    """One DEALER connection. server_key None: no CURVE at all; monitored: for wait_let_in()."""

    def __init__(self, endpoint, server_key, key_pair, timeout=20.0, monitored=False):
        self.timeout = timeout
        self.told_of_drain = False
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if server_key is not None:
            self.socket.curve_serverkey = server_key
            self.socket.curve_publickey, self.socket.curve_secretkey = key_pair
        self.monitor = None
        if monitored:
            self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(endpoint)
        self.ids = itertools.count(1)

    def wait_let_in(self):
        """Until the handshake is over, without asking for anything."""
        if not self.monitor.poll(int(1000 * self.timeout)):
            raise NoReply()

    def close(self):
        if self.monitor is not None:
            self.socket.disable_monitor()
            self.monitor.close()
        self.socket.close()
        self.context.term()

    # -- frames --

    def send_raw(self, frame):
        self.socket.send(frame)

    def receive(self, timeout=None):
        """The next reply; NoReply when none comes in time. That the server drains is no reply."""
        if not self.socket.poll(int(1000 * (self.timeout if timeout is None else timeout))):
            raise NoReply()
        parts = self.socket.recv_multipart()
        assert len(parts) == 1, "a reply is one frame"
        reply = pb.Reply()
        reply.ParseFromString(parts[0])
        if reply.id == 0 and NAMES[reply.status] == "DRAINING":
            assert not self.told_of_drain, "told twice"
            self.told_of_drain = True
            return self.receive(timeout)
        return reply

    # -- requests --

    def submit(self, deadline_us=0, **op):
        """Sends a request, for example verify=pb.Verify(...); its id."""
        request = pb.Request(version=1, id=next(self.ids), deadline_us=deadline_us, **op)
        self.send_raw(request.SerializeToString())
        return request.id

    def call(self, deadline_us=0, timeout=None, **op):
        """One request and its reply, whatever its status."""
        wanted = self.submit(deadline_us, **op)
        reply = self.receive(timeout)
        assert reply.id == wanted, f"reply to {reply.id}, not {wanted}"
        if reply.status == 0:
            assert reply.WhichOneof("result") == next(iter(op))
        else:
            assert reply.WhichOneof("result") is None and reply.detail
        return reply

    def ok(self, **op):
        """The result of a request that must succeed as a whole."""
        reply = self.call(**op)
        assert reply.status == 0, f"{NAMES[reply.status]}: {reply.detail}"
        return getattr(reply, next(iter(op)))

    def info(self, timeout=None):
        reply = self.call(info=pb.Info(), timeout=timeout)
        assert reply.status == 0, f"{NAMES[reply.status]}: {reply.detail}"
        return reply.info

    def collect(self, wanted, timeout=60.0, quiet=0.3):
        """Replies to these ids, each exactly once: {id: reply}."""
        replies, deadline = {}, time.monotonic() + timeout
        while len(replies) < len(wanted):
            reply = self.receive(max(0.0, deadline - time.monotonic()))
            assert reply.id in wanted, f"a reply to {reply.id}, which was not asked"
            assert reply.id not in replies, f"two replies to {reply.id}"
            replies[reply.id] = reply
        try:
            extra = self.receive(quiet)
        except NoReply:
            return replies
        raise AssertionError(f"one reply too many, to {extra.id}")
