# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that ssh runs to ask a person (SSH_ASKPASS): hands the question to the console, prints the answer.

A process of its own, started by ssh as ``python -I -S askpass.py SOCKET TOKEN-FILE QUESTION``, so it imports as little
as it can. The token says which connection asks; it comes from a file, as command lines are for all to see. On the
socket go three texts, each ended by a zero byte: token, SSH_ASKPASS_PROMPT, question. What comes back is ``+`` and the
answer, or nothing when nobody wants to answer. Source: ssh(1), «ENVIRONMENT»; readpass.c of OpenSSH for ``confirm``
and ``none``. Where it is ``none`` (a security key waits to be touched) ssh ends this program itself.
"""

import os
import socket
import sys

MOST_ANSWER_BYTES = 1024
"""ssh reads no more."""


def main() -> int:
    socket_path, token_file, question = sys.argv[1], sys.argv[2], " ".join(sys.argv[3:])
    with open(token_file, encoding="ascii") as file:
        token = file.read().strip()
    hint = os.environ.get("SSH_ASKPASS_PROMPT", "")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
        console.connect(socket_path)
        console.sendall(b"".join(os.fsencode(text) + b"\0" for text in (token, hint, question)))
        answer = b""
        while len(answer) <= MOST_ANSWER_BYTES:
            piece = console.recv(MOST_ANSWER_BYTES)
            if not piece:
                break
            answer += piece
    if not answer.startswith(b"+"):
        return 1
    sys.stdout.buffer.write(answer[1:] + b"\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError:  # the console is gone: nobody can be asked
        sys.exit(1)
