# The container way: docker compose does the work, this file decides when and tells what happened. Sourced by bash.
# The host needs nothing but the engine, Compose v2 and bash.
# shellcheck shell=bash

ENGINE_VOLUMES=/var/lib/docker/volumes

compose() {
  local files=(-f compose.yaml) part
  if [ "$STACK" = test ]; then files+=(-f compose.test.yaml); fi
  for part in $(wanted_parts); do files+=(-f "compose.$part.yaml"); done
  docker compose "${files[@]}" "$@"
}

wanted_parts() { # of SALLYPORT_WITH, also where nobody has read the settings; none for the test stack: several lead out
  local part with=${SALLYPORT_WITH:-}
  [ "$STACK" = main ] || return 0
  if [ -z "$with" ]; then with=$(sed -n 's/^SALLYPORT_WITH=//p' .env 2>/dev/null || :); fi
  for part in ${with//,/ }; do
    if [ -f "compose.$part.yaml" ]; then say "$part"; fi
  done
}

refuse_unfit_parts() { # a part that wants a file or another part; Compose says which
  local said key
  said=$(compose config --quiet 2>&1) && return
  for key in SALLYPORT_BIND SALLYPORT_CONSOLE_BIND SALLYPORT_SINK_BIND; do
    [[ ${!key} != *:* || $said != *"too many colons"* ]] ||
      refuse "$key is ${!key}, and this Compose takes no IPv6 address; set it to an IPv4 one such as 0.0.0.0, or run plain processes with WAY=native (docs/operating.md, Who connects)."
  done
  refuse "Compose refuses these files (${said##*$'\n'}); correct what it names, or SALLYPORT_WITH."
}

refuse_lost_parts() { # what `docker compose -f ... -f ...` has started would go, and policy be without its database
  local files file wanted project part lost='' volumes=''
  wanted=$(wanted_parts) # no pipe into grep -q, which may leave before all is written
  project=$(containers_project)
  files=$(docker ps --all --filter "label=com.docker.compose.project=$project" \
    --format '{{.Label "com.docker.compose.project.config_files"}}' | tr ',' '\n' | sed -n 's|.*/compose\.\(.*\)\.yaml$|\1|p' | sort -u)
  for file in $files; do
    [ "$STACK:$file" = test:test ] || grep -qx -e "$file" <<<"$wanted" || lost="$lost${lost:+,}$file"
  done
  [ -z "$lost" ] ||
    refuse "the stack was started with more than make up would start: $lost; add SALLYPORT_WITH=$lost to .env (to what stands there), or run make down$(test_suffix ' TEST=1') first if it is to go."
  [ "$STACK" = main ] || return 0
  for part in postgresql valkey; do # after a `down` nothing but its volume tells of it
    if ! grep -qx -e "$part" <<<"$wanted" && grep -qx -e "${project}_$part-data" <<<"$(docker volume ls --quiet)"; then
      lost="$lost${lost:+,}$part" volumes="$volumes ${project}_$part-data"
    fi
  done
  [ -z "$lost" ] ||
    refuse "make up would go on without the data of $lost, which make down has kept; add SALLYPORT_WITH=$lost to .env (to what stands there), or run docker volume rm$volumes if you have moved everything out of it."
}

refuse_other_checkout() { # its stack has the same name. Who names it means it, and a checkout may have been moved
  [ -z "${COMPOSE_PROJECT_NAME:-}" ] || return 0
  local from project
  from=$(containers_from)
  [ -d "$from" ] && ! [ "$from" -ef . ] || return 0
  project=$(containers_project)
  refuse "the stack $project was started from $from, and you are in $PWD; go there, or say COMPOSE_PROJECT_NAME=$project if you mean that one, another name and other ports for one of its own (docs/settings.md)."
}

containers_run() { [ -n "$(compose ps --quiet --status running policy 2>/dev/null)" ]; }
containers_left() { [ -n "$(compose ps --all --quiet 2>/dev/null)" ]; } # of any part, running or not
containers_project() { compose config 2>/dev/null | sed -n 's/^name: //p'; }
containers_exist() { # containers, or the volumes that `down` keeps
  local project
  project=$(containers_project)
  [ -n "$project" ] || return 1
  containers_left || [ -n "$(docker volume ls --quiet --filter "label=com.docker.compose.project=$project")" ]
}

engine_has_volumes() { # an engine that does not answer; only root can know, and only of a Docker Engine in its usual folder
  local project
  project=$(containers_project)
  [ -n "$project" ] && [ -e "$ENGINE_VOLUMES/${project}_policy-state" ]
}

is_rootless_engine() { [[ $(docker info --format '{{.SecurityOptions}}' 2>/dev/null) == *rootless* ]]; }

refuse_ports_of_root() { # OWN...; an engine that is not root's says it after the whole build
  is_rootless_engine || return 0
  # Whoever lets the engine's helper open them has set that with this package's other program.
  [[ $(getcap "$(command -v rootlesskit)" 2>/dev/null) != *cap_net_bind_service* ]] || return 0
  refuse_privileged_ports "let everybody open them (docs/operating.md, Other engines)" "$@"
}

containers_up() {
  refuse_unfit_parts
  refuse_other_checkout
  refuse_lost_parts
  refuse_ports_of_root "$(containers_ports)"
  refuse_taken_ports "$(containers_ports)"
  local before began
  began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  before=$(compose ps --services --status running)
  # It is mounted, and read by another user; a checkout under umask 077 has it for its owner alone.
  if [ "$STACK" = test ]; then chmod a+r stack/test-policy.toml 2>/dev/null || :; fi
  if ! compose up --build --wait --remove-orphans; then
    show_failed_containers
    stop_new_containers "$before"
    fail "the containers did not come up; what this run started has been taken down again."
  fi
  if ! greeting_comes "$(reachable_host "$SALLYPORT_BIND")" "$SALLYPORT_SUBMISSION_PORT" 30; then
    compose logs --no-color --tail 20 gateway >&2
    stop_new_containers "$before"
    fail "the containers are healthy, but port $SALLYPORT_SUBMISSION_PORT of this machine does not answer with 220."
  fi
  if [ -n "$before" ]; then ALREADY_UP=1; fi
  # shellcheck disable=SC2034  # next-steps.sh tells it
  NEW_CERTIFICATE=$(compose logs --no-color --no-log-prefix --since "$began" policy 2>/dev/null | renamed_certificate) || :
}

containers_ports() { # the public ports that this stack's containers hold now, in one line
  compose ps --format '{{range .Publishers}}{{.PublishedPort}} {{end}}' 2>/dev/null | tr '\n' ' '
}

show_failed_containers() {
  local service state health code
  compose ps --all --format '{{.Service}}|{{.State}}|{{.Health}}|{{.ExitCode}}' | while IFS='|' read -r service state health code; do
    case $state:$health:$code in
      running::* | running:healthy:* | exited:*:0 | created:*) continue ;;
    esac
    complain "service $service is $state${health:+ and $health}; its last lines:"
    compose logs --no-color --tail 20 "$service" >&2
  done
}

stop_new_containers() { # BEFORE: the services that ran already stay as they are
  local service new=()
  if [ -z "$1" ]; then
    compose down >/dev/null 2>&1
    return
  fi
  for service in $(compose ps --all --services); do
    grep -qx -e "$service" <<<"$1" || new+=("$service")
  done
  if [ ${#new[@]} -gt 0 ]; then compose rm --stop --force "${new[@]}" >/dev/null 2>&1; fi
}

greeting_comes() { # HOST PORT SECONDS -> does an SMTP 220 come before the deadline?
  local line deadline=$((SECONDS + $3))
  while [ $SECONDS -lt $deadline ]; do
    if line=$( { exec 3<>"/dev/tcp/$1/$2" && read -r -t 5 line <&3 && printf '%s' "$line"; } 2>/dev/null); then
      [[ $line != 220* ]] || return 0
    fi
    sleep 0.5
  done
  return 1
}

containers_from() { # the checkout that it was started from, as long as there are containers
  docker ps --all --filter "label=com.docker.compose.project=$(containers_project)" \
    --format '{{.Label "com.docker.compose.project.working_dir"}}' | sort -u | head -n 1
}

containers_described() {
  local project from
  project=$(containers_project)
  from=$(containers_from)
  say "the Compose project $project (${from:+started from $from, }you are in $PWD)"
}

containers_down() {
  refuse_other_checkout
  compose down --remove-orphans
}

containers_destroy() { # what an overlay has added, too: it belongs to the project, though compose.yaml does not name it
  local project kind images
  refuse_other_checkout
  project=$(containers_project)
  compose down --volumes --remove-orphans
  for kind in volume network; do
    docker "$kind" ls --quiet --filter "label=com.docker.compose.project=$project" | xargs --no-run-if-empty docker "$kind" rm >/dev/null
  done
  images=$(compose config --images | sort -u | tr '\n' ' ')
  [ -z "$images" ] || say "The images are kept for the next start; to remove them: docker image rm ${images% }"
}

takes_standard_input() { # ARGS... of the command line: "-" is where a file is read from, or written to
  case " $* " in *" - "*) ;; *) return 1 ;; esac
}

containers_cli() { # the command line inside the policy container; a terminal only where there is one
  local caller # for the audit log: inside, everybody is the same user
  caller="SALLYPORT_CALLER=$(who_calls)"
  if [ -t 0 ] && [ -t 1 ]; then
    compose exec -e "$caller" policy sallyport "$@"
  elif takes_standard_input "$@"; then
    compose exec -T -e "$caller" policy sallyport "$@"
  else
    # The engine's client would swallow what was pasted or piped behind a command that does not read it.
    compose exec -T -e "$caller" policy sallyport "$@" </dev/null
  fi
}

containers_cli_alone() { # where nothing runs, in a container of its own
  local caller
  caller="SALLYPORT_CALLER=$(who_calls)"
  compose run --rm --no-deps -T -e "$caller" policy sallyport "$@"
}
