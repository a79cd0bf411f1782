# SPDX-License-Identifier: MIT
"""The access language of hosts_access(5): text in, verdicts out.

Rules of this package: it is pure. No module here opens a file or a socket, reads a clock, the
environment or a database, or logs. Whatever it must know is handed in as a value, whatever it
wants to tell comes back as one. Texts are bytes, as in libwrap: no character set is assumed, and
`bytes.lower()` folds ASCII only, as strcasecmp(3) does in the C locale.
"""
