# SPDX-License-Identifier: MIT
"""Receive connections from gates; for programs that serve what socketgate lets in.

    Listener             a socket whose accept() returns the real client, for asyncio, socketserver
      Receiver           any number of gates behind one pollable descriptor
        ChannelReceiver  one gate's channel: its messages in, acknowledgements out
          Offer          a client with its facts that nobody has taken over yet

The protocol is docs/protocol.md. Standard library only, and nothing else of socketgate: a program
may carry its own copy of this folder. A client is acknowledged when accept() returns it, never
earlier: what was not accepted goes to another backend, or to this one after its restart.
"""

from .channel import ChannelEnded, ChannelReceiver, Client, Offer
from .listener import Listener
from .message import MAX_BATCH, Handoff, MalformedMessage, parse_block
from .receiver import Receiver
from .sockets import NotABackendSocket, open_path, passed_socket

__all__ = [
    "MAX_BATCH",
    "ChannelEnded",
    "ChannelReceiver",
    "Client",
    "Handoff",
    "Listener",
    "MalformedMessage",
    "NotABackendSocket",
    "Offer",
    "Receiver",
    "open_path",
    "parse_block",
    "passed_socket",
]
