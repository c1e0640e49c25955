# What a machine must have for the plain-process way: packages, a Python, users or a user namespace. Sourced by bash.
#
# Root on Debian gets what is missing installed; everybody else gets one sentence with the exact command. Postfix's master
# process must be root. Somebody who is not root is root inside a user namespace, where Debian's users are mapped.
# shellcheck shell=bash disable=SC2034,SC2153

PATH=$PATH:/usr/sbin:/sbin # where Debian keeps postfix and dovecot, and where only root looks by itself
PACKAGES="postfix dovecot-core dovecot-imapd dovecot-lmtpd dovecot-auth-lua"
USER_NOTE="Sallyport (made by make up)" # tells the users that we made from those that were there
STARTS_RULE=/usr/sbin/policy-rc.d # asked by Debian's packages whether their service may start
STARTS_NOTE="Sallyport's make up, while it installs packages"
SYSTEM_USERS="sallyport-policy sallyport-gateway sallyport-mail sallyport-sink sallyport-scan"

is_root() { [ "$(id -u)" = 0 ]; }

prepare_host() { # everything that must be there before the first file is written; sets PYTHON
  install_missing_packages
  if is_root; then make_users; else require_namespace; fi
  PYTHON=$(find_python) || fail "no Python >= 3.11 with venv that unprivileged users can execute was found; install python3 and python3-venv."
}

# --- packages ----------------------------------------------------------------------------------------------------------

missing_packages() {
  local package packages=$PACKAGES
  if ! is_root; then packages="$packages uidmap"; fi
  for package in $packages; do
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || say "$package"
  done
  # Without uidmap nothing runs as another user yet, so that no Python can be tried.
  if is_root && ! find_python >/dev/null; then say python3; say python3-venv; fi
}

install_missing_packages() {
  if ! command -v dpkg-query >/dev/null; then
    command -v postfix >/dev/null && command -v dovecot >/dev/null && return
    fail "this machine is no Debian; install Postfix, Dovecot (imap, lmtp, auth-lua) and Python >= 3.11 with venv, or start a container engine."
  fi
  local missing
  missing=$(missing_packages | tr '\n' ' ')
  if [ -z "$missing" ]; then
    allow_starts # which a run that was killed could not do
    return
  fi
  is_root || fail "these Debian packages are missing; let root run: apt-get install --no-install-recommends $missing"
  say "installing: $missing"
  # shellcheck disable=SC2086  # a list of names
  apt_install $missing
}

apt_install() { # installs without starting a service, now or at the next boot: our instances are private ones
  local package log
  log=$(mktemp)
  forbid_starts
  # Each with a redirection of its own: one around both would swallow what is said where this run is interrupted.
  if ! apt-get update >"$log" 2>&1 ||
    ! DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" >>"$log" 2>&1; then
    allow_starts
    tail -n 15 "$log" >&2
    fail "apt-get could not install $*; its last lines stand above, all of them in $log."
  fi
  allow_starts
  rm -f "$log"
  for package in "$@"; do
    case $package in
      postfix | dovecot-core) not_at_boot "${package%-core}" ;;
    esac
  done
}

not_at_boot() { # SERVICE; the second knows machines without systemd, and what a later systemd would find
  systemctl disable --quiet "$1" >/dev/null 2>&1 || update-rc.d "$1" disable >/dev/null 2>&1 || :
}

forbid_starts() { # unless somebody else has a rule; also where this run is interrupted, it ends with it
  [ ! -e "$STARTS_RULE" ] || is_our_rule || return 0
  trap allow_starts EXIT
  printf '#!/bin/sh\n# %s\nexit 101\n' "$STARTS_NOTE" >"$STARTS_RULE" && chmod 755 "$STARTS_RULE"
}

allow_starts() { if is_our_rule && is_root; then rm -f "$STARTS_RULE"; fi; }
is_our_rule() { grep -qs -e "$STARTS_NOTE" "$STARTS_RULE"; }

# --- users -------------------------------------------------------------------------------------------------------------

make_users() {
  local name
  for name in $SYSTEM_USERS; do
    id "$name" >/dev/null 2>&1 && continue
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --comment "$USER_NOTE" "$name"
  done
}

remove_users() { # those that make_users made, unless another stack needs them: one that is down gets them anew with make up
  local name
  if [ -e /var/lib/sallyport/.sallyport ] || [ -e /var/lib/sallyport-test/.sallyport ]; then return 0; fi
  for name in $SYSTEM_USERS; do
    [ "$(getent passwd "$name" | cut -d: -f5)" = "$USER_NOTE" ] || continue
    # The first is policy's, which each stack has running; a mailbox's user has processes only while somebody reads.
    userdel "$name" 2>/dev/null || { complain "user $name is still in use; it stays, and so do the others of them."; return 0; }
  done
}

require_namespace() {
  in_namespace --mount true 2>/dev/null && return
  local name
  name=$(id -un)
  grep -qs "^$name:" /etc/subuid || fail "Postfix needs more than one user and $name has no subordinate ids; let root run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $name"
  fail "this system does not let $name make a user namespace, which Postfix needs; run make up as root, or start a container engine."
}

# --- inside: where we are root and the run directory is $SEEN ------------------------------------------------------------

in_namespace() { # tried bare: where that is refused, util-linux 2.41 leaves the helper behind that maps users, with our output open
  unshare --user true && unshare --user --map-root-user --map-auto "$@"
}

inside() { # runs a command as root, or as root of a user namespace with the run directory mounted at $SEEN
  # The mount is there because homes are closed to others, and Postfix's and Dovecot's users are others.
  if is_root; then
    "$@"
  else
    # shellcheck disable=SC2016
    in_namespace --mount \
      bash -c 'mount --bind "$1" "$2" && shift 2 && exec "$@"' inside "$RUN" "$SEEN" "$@"
  fi
}

in_namespace_of() { # PROCESS COMMAND...: as root of its user namespace; nobody else may see whose a port in there is
  if is_root; then
    "${@:2}"
  else
    nsenter --user --preserve-credentials --target "$1" "${@:2}"
  fi
}

find_python() { # prints a Python that users without privilege can execute; one below a closed home will not do
  local candidate
  for candidate in /usr/bin/python3 /usr/bin/python3.1[1-9] /usr/local/bin/python3; do
    [ -x "$candidate" ] || continue
    as_nobody "$candidate" -c 'import sys, ssl, sqlite3, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    say "$candidate"
    return
  done
  return 1
}

as_nobody() {
  if is_root; then
    setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
  else
    in_namespace setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
  fi
}
