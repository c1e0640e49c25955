# The plain-process way: private instances of everything under one run directory, kept alive by supervisord. Sourced by bash.
#
#   native.sh        (you are here) up, down, destroy, seen from outside
#   native-host.sh   what the machine must have
#   native-inside    what happens as root, or as root of a user namespace: files, programs, start and stop
# shellcheck shell=bash disable=SC2153

# shellcheck source=stack/native-host.sh
. stack/native-host.sh

READY_WITHIN=600 # seconds; a first start on a small machine takes about twenty, half of it the scanner's, which compiles its patterns;
# on one that has much else to do it took four minutes

set_native_paths() { # RUN as the caller sees it, SEEN as the processes see it
  local suffix home=${HOME:-~} # which is known also where HOME is not set
  suffix=$(test_suffix -test)
  if is_root; then
    RUN=${SALLYPORT_RUN_DIR:-/var/lib/sallyport$suffix}
    SEEN=$RUN
  else
    RUN=${SALLYPORT_RUN_DIR:-${XDG_DATA_HOME:-$home/.local/share}/sallyport$suffix}
    SEEN=/mnt
    case $PWD/ in /mnt/*) SEEN=/srv ;; esac # the mount must not hide the checkout
  fi
}

run_directory_fits() { [[ $RUN =~ ^/[A-Za-z0-9._/-]{2,80}$ ]]; } # only here anything of ours can be

refuse_unfit_directory() {
  local who="the run directory of your home"
  run_directory_fits && return
  [ -z "${SALLYPORT_RUN_DIR:-}" ] || who=SALLYPORT_RUN_DIR
  refuse "$who is \"$RUN\", which is not an absolute path of at most 80 letters, digits and ._-; name another one with SALLYPORT_RUN_DIR."
}

native_up() {
  set_native_paths
  refuse_unfit_directory
  refuse_parts
  is_root || refuse_privileged_ports "run make up as root"
  refuse_foreign_folder
  if native_runs; then
    refuse_taken_ports "$(native_public_ports)"
  else
    refuse_taken_ports
  fi
  prepare_host
  take_run_directory
  choose_inner_ports
  local now
  now=$(native_fingerprint)
  if native_runs && [ "$(cat "$RUN/fingerprint" 2>/dev/null)" = "$now" ]; then
    run_inside certificate # a new one may be there that only who put it there can read
    # shellcheck disable=SC2034  # next-steps.sh tells it
    ALREADY_UP=1
  else
    start_native
    say "$now" >"$RUN/fingerprint"
  fi
}

start_native() { # ends with everything answering, or with nothing running
  run_inside install || fail "the Python packages could not be installed; what pip said stands above."
  if native_runs; then
    say "something has changed since the last start; restarting"
    run_inside stop
  fi
  run_inside prepare || exit $(($? == 2 ? 2 : 1)) # 2: a service has refused a setting, in a sentence of its own
  # shellcheck disable=SC2034  # next-steps.sh tells it
  NEW_CERTIFICATE=$(renamed_certificate <"$RUN/log/init.log")
  has_scanner || say "no scanner: mail is neither scanned nor signed, because rspamd is not installed; $(is_root || say "let root ")run apt-get install --no-install-recommends rspamd, then make up again."
  say "starting"
  run_inside start 9>&- || fail "supervisord did not start; see $RUN/log/supervisord.log."
  wait_until_ready || {
    show_native_failure
    run_inside stop
    fail "the stack did not come up; what this run started has been stopped again."
  }
}

run_inside() {
  local users=mapped
  if is_root; then users=own; fi
  SALLYPORT_RUN="$SEEN" SALLYPORT_STACK="$STACK" SALLYPORT_USERS="$users" SALLYPORT_PYTHON="${PYTHON:-}" \
    inside bash stack/native-inside "$@"
}

refuse_parts() {
  [ -z "$SALLYPORT_WITH" ] || [ "$STACK" = test ] ||
    refuse "SALLYPORT_WITH is \"$SALLYPORT_WITH\", and these parts are containers; leave it out, or start a container engine."
}

refuse_foreign_folder() { # the run directory is removed whole by destroy, so it must be ours from the beginning
  [ ! -e "$RUN" ] || [ -e "$RUN/.sallyport" ] || [ -z "$(ls -A "$RUN" 2>/dev/null)" ] ||
    refuse "the run directory $RUN holds files of somebody else; empty it, or choose another one with SALLYPORT_RUN_DIR."
}

take_run_directory() {
  local why
  why=$(mkdir -p "$RUN/log" 2>&1) ||
    fail "the run directory $RUN cannot be made (${why##*: }); name another one with SALLYPORT_RUN_DIR."
  chmod 755 "$RUN"
  say "The run directory of a Sallyport stack; make destroy$(test_suffix ' TEST=1') removes it." >"$RUN/.sallyport"
  exec 9>"$RUN/lock"
  flock --nonblock 9 || fail "another make up works on $RUN at this moment; let it finish."
}

# --- ports -----------------------------------------------------------------------------------------------------------

native_public_ports() { # the ports that the running stack was started with, in one line
  sed -n 's/^SALLYPORT_.*_PORT=//p' "$RUN/ports" 2>/dev/null | tr '\n' ' '
}

choose_inner_ports() { # exports them: those of the last start, or the usual ones, or the next that are free
  local pair key port lines='' taken=" $SALLYPORT_SUBMISSION_PORT $SALLYPORT_SUBMISSIONS_PORT $SALLYPORT_IMAPS_PORT $SALLYPORT_CONSOLE_PORT $SALLYPORT_SINK_PORT "
  # The scanner's is not rspamd's usual 11333: Debian's own, which starts with the package and at each boot, would take it
  # after this look, and the gateway would ask that one.
  for pair in POLICY:7587 STATUS:7588 RELAY:10025 HOLD:10026 LMTP:2424 DOVEADM:8080 QUEUE:7589 SINK_SMTP:2525 SCANNER:7590; do
    key=INNER_${pair%:*}_PORT
    port=$(sed -n "s/^$key=//p" "$RUN/ports" 2>/dev/null || :)
    if [ -z "$port" ] || ! native_runs; then
      port=${port:-${pair#*:}}
      while [[ $taken == *" $port "* ]] || port_is_taken 127.0.0.1 "$port"; do port=$((port + 1)); done
    fi
    taken="$taken$port "
    export "$key=$port"
    lines="$lines$key=$port"$'\n'
  done
  for key in $PUBLIC_PORTS $WEB_PORTS; do lines="$lines$key=${!key}"$'\n'; done
  printf '%s' "$lines" >"$RUN/ports"
}

# --- state -------------------------------------------------------------------------------------------------------------

native_runs() { # does our supervisord live? Its socket and its pid file would survive a crash
  set_native_paths
  run_directory_fits || return 1
  [ -S "$RUN/supervisor.sock" ] || return 1
  local id
  id=$(cat "$RUN/supervisord.pid" 2>/dev/null) || return 1
  is_supervisord "$id"
}

native_fingerprint() { # of all that a running stack was made from
  {
    env | grep -E '^(SALLYPORT|INNER)_' | sort
    find gateway maillog policy queue_agent service sink postfix dovecot rspamd stack requirements pyproject.toml -type f ! -name '*.pyc' -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum
    dpkg-query --show postfix dovecot-core rspamd python3 2>/dev/null || :
  } | sha256sum | cut -d' ' -f1
}

wait_until_ready() {
  local deadline=$((SECONDS + READY_WITHIN)) told=$((SECONDS + 30))
  while [ $SECONDS -lt $deadline ]; do
    silent_services >"$RUN/log/silent" && return
    if [ $SECONDS -ge $told ]; then
      say "waiting for: $(sort -u "$RUN/log/silent" | tr '\n' ' ')"
      told=$((SECONDS + 60))
    fi
    if run_inside status | grep -q FATAL; then return 1; fi
    sleep 0.5
  done
  return 1
}

silent_services() { # prints the services that do not answer yet, or for which somebody else does; succeeds when there is none
  local host
  host=$(reachable_host "$SALLYPORT_BIND")
  set -- policy "http://127.0.0.1:$INNER_POLICY_PORT/health/ready" gateway "smtp://$(in_url "$host"):$SALLYPORT_SUBMISSION_PORT" \
    console "https://$(in_url "$(reachable_host "$SALLYPORT_CONSOLE_BIND")"):$SALLYPORT_CONSOLE_PORT/health/ready" \
    queue-agent "http://127.0.0.1:$INNER_QUEUE_PORT/health/ready" postfix "smtp://127.0.0.1:$INNER_RELAY_PORT" postfix "smtp://127.0.0.1:$INNER_HOLD_PORT" \
    dovecot "smtp://127.0.0.1:$INNER_LMTP_PORT" dovecot "imaps://$(in_url "$host"):$SALLYPORT_IMAPS_PORT"
  if has_scanner; then set -- "$@" rspamd "http://127.0.0.1:$INNER_SCANNER_PORT/ping"; fi
  if [ "$STACK" = test ]; then
    set -- "$@" sink "http://$(in_url "$(reachable_host "$SALLYPORT_SINK_BIND")"):$SALLYPORT_SINK_PORT/messages"
  fi
  local id
  id=$(cat "$RUN/supervisord.pid")
  in_namespace_of "$id" "$PYTHON" stack/answers.py "$id" "$@"
}

in_url() { case $1 in *:*) say "[$1]" ;; *) say "$1" ;; esac }

show_native_failure() {
  local service
  for service in $(run_inside status | awk '$2 == "FATAL" || $2 == "BACKOFF" { print $1 }' || :) $(cat "$RUN/log/silent"); do
    say "$service"
  done | awk '!seen[$0]++' | while read -r service; do
    complain "$service does not answer; its last lines:"
    run_inside last-lines "$service" >&2
  done
}

# --- down, destroy, command line ---------------------------------------------------------------------------------------

native_down() {
  set_native_paths
  run_inside stop
}

native_exists() {
  set_native_paths
  run_directory_fits && [ -e "$RUN/.sallyport" ]
}

native_described() {
  set_native_paths
  say "the run directory $RUN (you are in $PWD)"
}

native_destroy() {
  set_native_paths
  run_inside remove
  rm -rf "$RUN"
  if is_root; then remove_users; fi
}

native_cli() {
  set_native_paths
  SALLYPORT_CALLER="$(who_calls)" run_inside cli "$@"
}

native_cli_alone() { # where nothing runs, with the programs of the last start
  native_cli "$@"
}
