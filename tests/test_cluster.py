"""A connection to Ray: what is asked of it, and what a user is told where there is none."""

import socket
import sys
from types import SimpleNamespace

import pytest

from harness.cluster import connect, require
from harness.errors import UserError


class FakeRay(SimpleNamespace):
    """What is used of Ray's module; `calls` has the arguments of each ``init``."""

    def __init__(self, connected=False, fault=None):
        super().__init__(calls=[], connected=connected, fault=fault)

    def is_initialized(self):
        return self.connected

    def init(self, **arguments):
        self.calls.append(arguments)
        if self.fault:
            raise self.fault


def test_where_ray_is_missing_the_key_and_the_command_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed") as caught:
        require("index.on")
    assert caught.value.key == "index.on"
    assert 'pip install "laconic-bench[ray]"' in caught.value.remedy


def test_a_process_connects_once(monkeypatch):
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    assert connect(None, needed_by="--executor", given_by="--address") is fake
    assert [call["address"] for call in fake.calls] == [None]
    fake.connected = True
    assert connect(None, needed_by="--executor", given_by="--address") is fake
    assert len(fake.calls) == 1


def test_an_address_is_knocked_at_before_ray_is_asked(monkeypatch):
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            connect(address, needed_by="--executor", given_by="--address")
    assert [call["address"] for call in fake.calls] == [f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"]
    with pytest.raises(UserError, match=f"no Ray cluster at 127.0.0.1:{port}") as caught:
        connect(f"127.0.0.1:{port}", needed_by="--executor", given_by="--address")
    assert caught.value.key == "--address"
    assert "ray start --head" in caught.value.remedy
    assert len(fake.calls) == 2, "nobody answered, so Ray was not asked"


@pytest.mark.parametrize("address", [None, "", "auto", "local", "a-name-without-a-port", "host:notaport"])
def test_what_names_no_port_is_left_to_ray(monkeypatch, address):
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    connect(address, needed_by="--executor", given_by="--address")
    assert [call["address"] for call in fake.calls] == [address]


@pytest.mark.parametrize("fault", [ConnectionError("refused"), ValueError("bad address"), RuntimeError("no head")])
def test_a_fault_of_ray_is_one_message(monkeypatch, fault):
    monkeypatch.setitem(sys.modules, "ray", FakeRay(fault=fault))
    with pytest.raises(UserError, match=f"no Ray cluster at auto: {fault}") as caught:
        connect("auto", needed_by="--executor", given_by="index.on")
    assert caught.value.key == "index.on"
