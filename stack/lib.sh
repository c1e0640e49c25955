# What the scripts of this directory share. Sourced by bash; the caller stands in the checkout.
#
#   up, down, destroy    the three commands; each reads top to bottom
#   lib.sh               (you are here) words to the reader, which stack, which way
#   settings.sh          the settings: .env, environment, defaults, and what is wrong with them
#   containers.sh        the container way
#   native.sh            the plain-process way; native-host.sh and native-inside are its parts
#   next-steps.sh        what `make up` prints at the end, in the same words for both ways
#
# There are two stacks, `main` and `test` (TEST=1, with the mail sink); each can run in two ways, `containers` and `native`.
# shellcheck shell=bash

# Letters are a to z here: in other languages than English a range or a comparison may mean something else.
export LC_ALL=C

say() { printf '%s\n' "$*"; }
complain() { printf 'sallyport: %s\n' "$*" >&2; }
fail() { complain "$*"; exit 1; }
refuse() { complain "$*"; exit 2; } # bad input: nothing has been started

choose_stack() { # sets STACK from TEST
  case ${TEST:-} in
    '' | 0) STACK=main ;;
    1) STACK=test ;;
    *) refuse "TEST is \"$TEST\", which is neither 1 nor empty; say TEST=1 for the integration-test environment." ;;
  esac
}

test_suffix() { [ "$STACK" = main ] || printf '%s' "$1"; } # what names of the test stack have in addition

who_calls() { printf '%s@%s' "${SUDO_USER:-$(id -un 2>/dev/null)}" "$(uname -n)"; } # who calls, for the audit log; by number, without a name

has_scanner() { command -v rspamd >/dev/null && command -v rspamadm >/dev/null; } # on this machine

engine_answers() {
  local version
  docker info >/dev/null 2>&1 && version=$(docker compose version 2>/dev/null) && [[ $version != *podman-compose* ]]
}

check_way() {
  case ${WAY:-} in
    '' | containers | native) ;;
    *) refuse "WAY is \"$WAY\", which is neither containers nor native; leave it out to let the command find out." ;;
  esac
}

choose_way() { # sets WAY: the one in which the stack runs, or has data; for a new stack containers, where an engine answers
  local running asked=${WAY:-}
  check_way
  if [ "$asked" = containers ] && ! engine_answers; then
    refuse "WAY is containers, but no container engine with Compose v2 answers (podman-compose is none); start one, or say WAY=native."
  fi
  running=$(WAY='' running_ways | head -n 1)
  if [ -n "$asked" ] && [ "$asked" != "${running:-$asked}" ]; then
    refuse "WAY is $asked, but the $STACK stack runs already in the other way ($running); leave WAY out, or run make down$(test_suffix ' TEST=1') WAY=$running first."
  fi
  WAY=${asked:-$running}
  [ -n "$WAY" ] || choose_way_of_data
}

choose_way_of_data() { # the other way would begin with an empty store
  local answers=0 ways
  if engine_answers; then answers=1; fi
  ways=$(existing_ways)
  if [ $answers = 0 ] && engine_has_volumes; then ways="$ways containers"; fi
  # shellcheck disable=SC2086 # one word for each way
  set -- $ways
  case $#:${1:-}:$answers in
    2:*) refuse "the $STACK stack has data in both ways; say WAY=containers or WAY=native, or remove one of them with make destroy$(test_suffix ' TEST=1') and its WAY." ;;
    1:containers:0) refuse "the $STACK stack has its data in containers' volumes, and the engine does not answer; start it, or say WAY=native for another stack, which is empty." ;;
    1:*) WAY=$1 ;;
    *:1) WAY=containers ;;
    *)
      # Whoever has an engine did not ask for packages on the machine itself.
      ! docker info >/dev/null 2>&1 ||
        refuse "a container engine answers, but not its Compose v2 (docker compose; podman-compose is none); install that, or say WAY=native for plain processes."
      WAY=native
      ;;
  esac
}

running_ways() { # the ways in which $STACK runs now, one a line; WAY narrows the search
  check_way
  if [ "${WAY:-native}" = native ] && native_runs; then say native; fi
  if [ "${WAY:-containers}" = containers ] && engine_answers && containers_run; then say containers; fi
}

started_ways() { # the same, and where policy has ended or a start was interrupted before it
  running_ways
  if [ "${WAY:-containers}" = containers ] && engine_answers && ! containers_run && containers_left; then say containers; fi
}

existing_ways() { # the ways in which $STACK runs or has left data
  check_way
  if [ "${WAY:-native}" = native ] && native_exists; then say native; fi
  if [ "${WAY:-containers}" = containers ] && engine_answers && containers_exist; then say containers; fi
}

confirm_destroy() { # WAY...: says what would go, because another checkout may drive the same stack
  [ "${YES:-}" != 1 ] || return 0
  local way what=''
  for way in "$@"; do what="$what${what:+ and }$("${way}_described")"; done
  [ -t 0 ] || refuse "destroy removes every mailbox, login and log of the $STACK stack, $what, and asks before it does; without a terminal say YES=1."
  printf 'This removes every mailbox, login and log of the %s stack for good: %s.\nType "yes" to go on: ' "$STACK" "$what"
  read -r answer || answer=
  [ "$answer" = yes ] || fail "nothing was removed."
}

is_supervisord() { # ID; by its command line, since in a container that nobody tidies a dead process keeps its id
  { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -q supervisord
}

# --- ports -----------------------------------------------------------------------------------------------------------

reachable_host() { # the address under which this machine reaches what is bound to $1
  case $1 in 0.0.0.0) say 127.0.0.1 ;; ::) say ::1 ;; *) say "$1" ;; esac
}

has_ipv6() { # elsewhere than on Linux nothing is known beforehand
  [ ! -d /proc/net ] || grep -qs . /proc/net/if_inet6
}

port_is_taken() { # ADDRESS PORT -> is a socket already listening where this pair would have to be bound?
  # The kernel's own table, because a bare machine has neither ss nor Python. Elsewhere nothing is known beforehand.
  [ -r /proc/net/tcp ] || return 1
  local hex_port own=any
  hex_port=$(printf '%04X' "$2")
  case $1 in
    0.0.0.0 | *:*) ;;
    *) own=$(printf '%s' "$1" | awk -F. '{ printf "%02X%02X%02X%02X", $4, $3, $2, $1 }') ;; # the table is little-endian
  esac
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex_port" -v own="$own" '
    $4 == "0A" { split($2, at, ":"); if (at[2] == port && (own == "any" || at[1] == own || at[1] ~ /^0+$/)) found = 1 }
    END { exit !found }'
}
