"""Guests that nobody wants: connections that begin a handshake and leave it, and clients whose key is
in no policy."""
import socket

import zmq

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"  # ZeroMQ RFC 23
GREETING = SIGNATURE + b"\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
FRAME_MAX = 512 * 1024
COMMAND = b"\x06" + (FRAME_MAX - 1).to_bytes(8, "big")  # a long command of the largest size
PART = 64 * 1024  # of it


class HalfOpen:
    """Connections that stop at different places of the handshake, opened again when they are ended."""

    STOPS = (b"", SIGNATURE[:5], GREETING, GREETING + COMMAND + bytes(PART))

    def __init__(self, address, count):
        self.address, self.sockets, self.opened = address, [None] * count, 0
        self.kept = [None] * count  # what a socket still has to send

    def open(self, number):
        one = socket.socket()
        one.setblocking(False)
        one.bind((f"127.1.{number >> 8 & 255}.{number & 255}", 0))  # a distributed flood
        one.connect_ex(self.address)
        self.sockets[number], self.kept[number] = one, self.STOPS[number % len(self.STOPS)]
        self.opened += 1

    def tend(self, number):
        """Opens it, writes on, or sees that it was ended."""
        one = self.sockets[number]
        if one is None:
            return self.open(number)
        try:
            if self.kept[number]:
                self.kept[number] = self.kept[number][one.send(self.kept[number]):]
            elif one.recv(256) == b"":
                self.end(number)
        except BlockingIOError:
            pass
        except OSError:
            self.end(number)
        return None

    def end(self, number):
        self.sockets[number].close()
        self.sockets[number] = None

    def turn(self):
        for number in range(len(self.sockets)):
            self.tend(number)

    def close(self):
        for one in self.sockets:
            if one is not None:
                one.close()


class Unauthorised:
    """CURVE clients with keys of their own, each coming again as often as libzmq does."""

    def __init__(self, endpoint, server_key, count):
        self.context = zmq.Context(io_threads=1)
        self.context.max_sockets = count + 16
        self.sockets = []
        for _ in range(count):
            one = self.context.socket(zmq.DEALER)
            one.linger = 0
            one.curve_serverkey = server_key
            one.curve_publickey, one.curve_secretkey = zmq.curve_keypair()
            one.connect(endpoint)
            self.sockets.append(one)

    def close(self):
        for one in self.sockets:
            one.close()
        self.context.term()
