# SPDX-License-Identifier: MIT
"""Varlink (https://varlink.org): messages, errors, interface definitions, and a client's call.

    call   {"method": "io.socketgate.Gate.Status", "parameters": {}} NUL
    reply  {"parameters": {...}} NUL   or   {"error": "org.varlink.service.MethodNotFound", ...} NUL

What is wanted of a method is written once, as typed dictionaries; the text of the interface, which
`varlinkctl introspect` shows, is made from them.
"""

import errno
import json
import socket
import struct
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

SERVICE = "org.varlink.service"

#: A call from outside is never longer; who sends more is not talking to us, in bytes.
MAX_CALL_BYTES = 16 * 1024
#: What a client takes for an answer, in bytes.
MAX_REPLY_BYTES = 16 * 1024 * 1024

#: https://varlink.org/Service, as every service has it.
SERVICE_DESCRIPTION = """\
# What every Varlink service answers about itself.
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound(interface: string)
error MethodNotFound(method: string)
error MethodNotImplemented(method: string)
error InvalidParameter(parameter: string)
error PermissionDenied()
error ExpectedMore()
"""

T = TypeVar("T")

_PLAIN = {str: "string", int: "int", float: "float", bool: "bool"}


class CallFailed(Exception):
    """An error reply: its name, and its parameters."""

    def __init__(self, name: str, parameters: Mapping[str, object] | None = None) -> None:
        super().__init__(name)
        self.name = name
        self.parameters = dict(parameters or {})


class NotVarlink(Exception):
    """What came is no message of the protocol."""


class OtherAnswer(NotVarlink):
    """An answer without the fields that were to be in it, or with others' types."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came: the method with its interface, and the parameters."""

    method: str
    parameters: Mapping[str, object]
    is_oneway: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """A method as the interface's text has it: what it takes and what it answers."""

    name: str
    takes: type
    answers: type


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface: its methods, and its errors with the text that goes with each."""

    name: str
    about: str
    methods: tuple[Signature, ...]
    errors: Mapping[str, type] = field(default_factory=dict)


def parse_call(data: bytes) -> Call:
    """One message without its NUL; raises NotVarlink."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotVarlink from error
    match message:
        case {"method": str(method)} if "." in method:
            parameters = message.get("parameters")
        case _:
            raise NotVarlink
    if not isinstance(parameters, dict | None) or message.get("upgrade"):
        raise NotVarlink
    return Call(method, parameters or {}, message.get("oneway") is True)


def encode(message: Mapping[str, object]) -> bytes:
    """A message with its NUL."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\0"


def encode_error(error: CallFailed) -> bytes:
    """An error reply."""
    return encode({"error": error.name, "parameters": error.parameters})


def invalid(parameter: str) -> CallFailed:
    """The error for a parameter that is missing, of the wrong type or makes no sense."""
    return CallFailed(f"{SERVICE}.InvalidParameter", {"parameter": parameter})


def ask(
    path: str, method: str, parameters: Mapping[str, object], kind: type[T], seconds: float
) -> T:
    """Call a method, whose answer is a `kind`: a typed dictionary, or `dict` for any.

    Raises CallFailed for an error reply, NotVarlink, or OSError; TimeoutError when nobody answers
    in time. The kernel does the waiting (unix(7)): with a timeout of Python's, a queue that is full
    for a moment would be an error at once.
    """
    timeout = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        try:
            sock.connect(path)
            sock.sendall(encode({"method": method, "parameters": parameters}))
            return parse_reply(_reply(sock), kind)
        except BlockingIOError as error:
            raise TimeoutError(errno.ETIMEDOUT, "no answer in time") from error


def parse_reply(data: bytes, kind: type[T]) -> T:
    """The answer in a reply without its NUL; raises CallFailed for an error, or NotVarlink.

    Fields it has beyond those of its kind are left alone: a newer service may have more to say.
    """
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotVarlink from error
    if not isinstance(message, dict):
        raise NotVarlink
    if message.get("parameters") is None:
        message["parameters"] = {}
    about = message["parameters"]
    if not isinstance(about, dict):
        raise NotVarlink
    if "error" in message:
        raise CallFailed(str(message["error"]), about)
    if not _fits(about, kind):
        raise OtherAnswer
    answer: T = message["parameters"]
    return answer


def _fits(value: object, hint: object) -> bool:
    """Whether what JSON had is of a type that `_type` has a word for."""
    arguments = typing.get_args(hint)
    match typing.get_origin(hint), value:
        case types.UnionType, _:
            return any(_fits(value, one) for one in arguments)
        case origin, list() if origin is list:
            return all(_fits(one, arguments[0]) for one in value)
        case origin, dict() if origin is dict:
            return all(_fits(one, arguments[1]) for one in value.values())
        case None, dict() if typing.is_typeddict(hint):
            hints = typing.get_type_hints(hint)
            return all(name in value and _fits(value[name], hints[name]) for name in hints)
        case None, _ if hint is float:
            return type(value) in (float, int)  # JSON has one kind of number
        case None, _ if isinstance(hint, type):
            return type(value) is hint
        case _:
            return False


def _reply(sock: socket.socket) -> bytes:
    data = bytearray()
    while not data.endswith(b"\0"):
        part = sock.recv(1 << 16)
        if not part or len(data) > MAX_REPLY_BYTES:
            raise NotVarlink
        data += part
    return bytes(data[:-1])


def describe(interface: Interface) -> str:
    """The text of an interface."""
    named: dict[str, type] = {}
    methods = []
    for method in interface.methods:
        takes, answers = (_struct(kind, named) for kind in (method.takes, method.answers))
        methods.append(f"{_comment(method.takes)}method {method.name}{takes} -> {answers}\n")
    errors = [
        f"{_comment(kind)}error {name}{_struct(kind, named)}\n"
        for name, kind in interface.errors.items()
    ]
    # A type's own fields may name further types: `named` grows while it is gone through.
    described: dict[str, str] = {}
    while left := [name for name in named if name not in described]:
        for name in left:
            kind = named[name]
            described[name] = f"{_comment(kind)}type {name} {_struct(kind, named)}\n"
    head = f"# {interface.about}\ninterface {interface.name}\n"
    return "\n".join([head, *described.values(), *methods, *errors])


def _comment(kind: type) -> str:
    lines = (kind.__doc__ or "").strip().splitlines()
    return "".join(f"# {line.strip()}".rstrip() + "\n" for line in lines)


def _struct(kind: type, named: dict[str, type]) -> str:
    fields = [f"{name}: {_type(hint, named)}" for name, hint in typing.get_type_hints(kind).items()]
    return "({})".format(", ".join(fields)) if len(fields) < 3 else _block(fields)


def _block(fields: Iterable[str]) -> str:
    return "(\n" + ",\n".join(f"  {one}" for one in fields) + "\n)"


def _type(hint: object, named: dict[str, type]) -> str:
    """A field's type: string, int, float, bool, []T, [string]T, ?T, or one with a name."""
    if isinstance(hint, type) and hint in _PLAIN:
        return _PLAIN[hint]
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case types.UnionType:
            (known,) = (one for one in arguments if one is not types.NoneType)
            return f"?{_type(known, named)}"
        case origin if origin is list:
            return f"[]{_type(arguments[0], named)}"
        case origin if origin is dict:
            return f"[string]{_type(arguments[1], named)}"
        case _ if isinstance(hint, type):
            named[hint.__name__] = hint
            return hint.__name__
        case _:
            raise TypeError(f"{hint!r} has no counterpart in Varlink")
