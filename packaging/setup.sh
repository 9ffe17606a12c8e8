# shellcheck shell=bash
# Sourced by packaging/run, packaging/test and packaging/bench: installs what is missing, once.
#
#   setup SET...      SET: run, lab, test. Debian packages of each set, then the venv.
#
# Idempotent: a stamp in .venv holds a hash of everything that decides what is installed, so that a second call costs
# one `dpkg-query` and one `sha256sum` (well under a second).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
PYTHON=/usr/bin/python3 # the system's: python3-guestfs and python3-libvirt are built for it, another Python cannot load them

say() { printf 'vmconsole set-up: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

package_list() { # SET... -> package names
  local set
  for set in "$@"; do sed 's/#.*//' "$ROOT/packaging/packages/debian-$set.txt"; done | tr -s ' \t' '\n' | grep -v '^$'
  case " $* " in *" run "*) appliance_kernel ;; esac
}

appliance_kernel() { # libguestfs boots the machine's own kernel; a container or a bare VM may have none
  compgen -G '/boot/vmlinuz-*' > /dev/null && compgen -G '/lib/modules/*/modules.dep' > /dev/null && return 0
  case $(uname -m) in x86_64) echo linux-image-cloud-amd64 ;; aarch64) echo linux-image-cloud-arm64 ;; esac
}

missing_packages() {
  local wanted
  mapfile -t wanted < <(package_list "$@")
  comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2> /dev/null | sed -n 's/^installed //p' | sort -u)
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo > /dev/null; then sudo "$@"
  else fail "needs root to run: $*. Run it as root, or install sudo."; fi
}

is_debian() { [ -r /etc/os-release ] && (. /etc/os-release && case " $ID ${ID_LIKE:-} " in *" debian "*) true ;; *) false ;; esac); }

install_packages() { # SET...
  if ! is_debian; then
    [ -x "$VENV/bin/python" ] && return 0 # set up by hand: trust it
    say "this distribution is not known here. Install the equivalents of these Debian packages, then"
    say "make the venv yourself: $PYTHON -m venv --system-site-packages .venv && .venv/bin/pip install -e .[test]"
    package_list "$@" | sort -u | fmt -w 100 >&2
    exit 1
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -eq 0 ] && return 0
  say "installing Debian packages: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update < /dev/null || say "apt-get update failed; trying with the lists at hand"
  without_starting_services as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" < /dev/null >&2 \
    || fail "apt-get could not install: ${missing[*]}"
}

# The lab runs its own sshd and libvirtd in namespaces. Installing their packages must not start a server on the
# user's machine that was not there before: policy-rc.d says so to every package script.
without_starting_services() {
  local policy=/usr/sbin/policy-rc.d rc=0 had_sshd=0
  command -v sshd > /dev/null || [ -x /usr/sbin/sshd ] && had_sshd=1
  if [ -e $policy ]; then "$@"; return; fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee $policy > /dev/null
  as_root chmod 755 $policy
  "$@" || rc=$?
  as_root rm -f $policy
  if [ $had_sshd = 0 ] && [ -x /usr/sbin/sshd ] && [ -d /run/systemd/system ]; then as_root systemctl -q disable ssh.service 2> /dev/null || true; fi
  return $rc
}

stamp_of() { cat "$ROOT/pyproject.toml" "$ROOT/packaging/setup.sh" <("$PYTHON" -V 2>&1) | sha256sum | cut -d' ' -f1; }

make_venv() { # EXTRA ('' or 'test')
  local extra=$1 stamp wanted
  stamp=$VENV/.setup-${extra:-run}
  wanted=$(stamp_of)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
  say "making the Python environment (.venv)"
  [ -x "$VENV/bin/python" ] || "$PYTHON" -m venv --system-site-packages "$VENV" || fail "could not make $VENV"
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check -e "$ROOT${extra:+[$extra]}" >&2 || fail "pip could not install vmconsole's Python packages"
  echo "$wanted" > "$stamp"
}

setup() { # SET...
  install_packages "$@"
  case " $* " in *" test "*) make_venv test ;; *) make_venv "" ;; esac
}
