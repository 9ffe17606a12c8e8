# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kerberos realm of one lab host: its KDC runs there, with principals for root and for the host's sshd.

Packages: krb5-kdc, krb5-admin-server (kadmin.local), krb5-user (kinit).
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.vmlab import LabHost

REALM = "VMCONSOLE.TEST"
PASSWORD = "tickets-please-51"
HOME = "/run/realm"
KEYTAB = f"{HOME}/keytab"
KRB5 = """\
[libdefaults]
  default_realm = {realm}
  default_keytab_name = {home}/keytab
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
[realms]
  {realm} = {{
    kdc = {address}:88
  }}
"""
KDC = """\
[kdcdefaults]
  kdc_ports = 88
  kdc_tcp_ports = 88
[realms]
  {realm} = {{
    database_name = {home}/principal
    key_stash_file = {home}/stash
  }}
"""
# Waited for, as it holds its port until then: the next one would not start.
END = f"p=$(cat {HOME}/pid); kill $p; while kill -0 $p 2> /dev/null; do sleep 0.02; done; rm -rf {HOME}"
START = f"""
export KRB5_CONFIG={HOME}/krb5.conf KRB5_KDC_PROFILE={HOME}/kdc.conf
kdb5_util create -s -r {REALM} -P master-of-the-realm &&
kadmin.local -q 'addprinc -pw {PASSWORD} root' && kadmin.local -q 'addprinc -randkey host/'$1 &&
kadmin.local -q 'ktadd -k {KEYTAB} host/'$1 && exec krb5kdc -P {HOME}/pid
"""


class Realm:
    """Close it. ``server_config`` is a file in the host, ``environment`` is for a client here."""

    def __init__(self, host: LabHost, folder: Path) -> None:
        self.host = host
        self.server_config = f"{HOME}/krb5.conf"
        config = folder / "krb5.conf"
        config.write_text(KRB5.format(realm=REALM, home=HOME, address=host.address))
        self.environment = {"KRB5_CONFIG": str(config), "KRB5CCNAME": f"FILE:{folder}/tickets"}
        host.exec("mkdir", "-p", HOME)
        host.exec("sh", "-c", f"cat > {self.server_config}", stdin=config.read_text())
        host.exec("sh", "-c", f"cat > {HOME}/kdc.conf", stdin=KDC.format(realm=REALM, home=HOME))
        host.exec("sh", "-c", START, "sh", host.address)

    def log_in(self, *, lifetime: str = "1h") -> None:
        """Get a ticket, as a user does in the morning."""
        subprocess.run(
            ["kinit", "-l", lifetime, f"root@{REALM}"], input=PASSWORD.encode() + b"\n", check=True,
            capture_output=True, timeout=30, env={**os.environ, **self.environment},
        )  # fmt: skip

    def close(self) -> None:
        self.host.exec("sh", "-c", END, check=False)
