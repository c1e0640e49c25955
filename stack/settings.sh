# The settings: read from .env and the environment, checked, completed with defaults. Sourced by bash.
#
# .env.example is the list of what exists: a key that does not stand there is unknown, and the value there is the default.
# shellcheck shell=bash disable=SC2154

PUBLIC_PORTS="SALLYPORT_SUBMISSION_PORT SALLYPORT_SUBMISSIONS_PORT SALLYPORT_IMAPS_PORT" # on SALLYPORT_BIND
WEB_PORTS="SALLYPORT_CONSOLE_PORT SALLYPORT_SINK_PORT" # each on an address of its own

known_keys() { sed -n 's/^#\{0,1\}\(SALLYPORT_[A-Z_]*\)=.*/\1/p' .env.example; }
default_of() { sed -n "s/^#\{0,1\}$1=//p" .env.example; }
is_known() { known_keys | grep -qx -e "$1"; }

is_integer_within() { # VALUE LOW HIGH; at most ten digits, so that the shell's arithmetic holds
  [[ $1 =~ ^(0|[1-9][0-9]{0,9})$ ]] && [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

is_hostname() { [[ ${#1} -le 253 && $1 =~ ^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]]; }

is_address() {
  local part
  [[ $1 == *:* && $1 =~ ^[0-9a-fA-F:.]+$ ]] && return
  [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || return
  for part in ${1//./ }; do is_integer_within "$part" 0 255 || return; done
}

is_network() { # no bits beyond the prefix, which policy would refuse later
  local address=${1%%/*} bits=${1#*/} a b c d
  is_address "$address" || return
  [[ $1 == */* ]] || return 0
  if [[ $address == *:* ]]; then
    is_integer_within "$bits" 0 128
    return
  fi
  is_integer_within "$bits" 0 32 || return
  IFS=. read -r a b c d <<<"$address"
  [ $(((a << 24 | b << 16 | c << 8 | d) & ((1 << (32 - bits)) - 1))) = 0 ]
}

is_network_list() {
  local network
  [[ $1 =~ ^[^,[:space:]]+(,[^,[:space:]]+)*$ ]] || return
  for network in ${1//,/ }; do is_network "$network" || return; done
}

is_domain_list() {
  local domain
  [[ $1 =~ ^[^,[:space:]]+(,[^,[:space:]]+)*$ ]] || return
  for domain in ${1//,/ }; do is_hostname "$domain" || return; done
}

is_console_url() {
  local host_and_port=${1#https://} port=443
  [[ $1 == https://* ]] || return
  if [[ $host_and_port == *:* ]]; then port=${host_and_port##*:}; fi
  [ "${host_and_port%:*}" = localhost ] || is_hostname "${host_and_port%:*}" || return
  is_integer_within "$port" 1 65535
}

is_parts_list() { # each with its file; that of the test stack is no part
  local part
  [[ $1 =~ ^[a-z0-9-]+(,[a-z0-9-]+)*$ && ,$1, != *,test,* ]] || return
  for part in ${1//,/ }; do [ -f "compose.$part.yaml" ] || return; done
}

is_mail_address() { [[ $1 =~ ^[^@,[:space:]]+@[A-Za-z0-9.-]+$ ]]; }

is_readable_file() { [[ $1 =~ ^/[^[:space:]:]+$ && -f $1 && -r $1 ]]; }

is_folder_of_databases() { # with both: one that knows countries and systems may be there under two names
  [[ $1 =~ ^/[^[:space:]:]*$ && -d $1 && -x $1 && -r $1/country.mmdb && -r $1/asn.mmdb ]]
}

remedy_of_gone() { # KEY -> says where it went; says nothing where it was no setting
  case $1 in
    SALLYPORT_RECIPIENTS_PER_HOUR) say 'write recipients = "200/hour" below [profiles.person] into a policy file (docs/policy-file.md)' ;;
  esac
}

problem_of() { # KEY VALUE -> says what is wrong with the value; says nothing where it is plausible
  case $1 in
    *_PORT) is_integer_within "$2" 1 65535 || say "is not a port from 1 to 65535" ;;
    *_BIND) is_address "$2" || say "is not an IP address" ;;
    *_URL) is_console_url "$2" || say "is not of the form https://mail.example.org:8443, without a path" ;;
    *_HOSTNAME) is_hostname "$2" || say "is not a full host name in lower case such as mail.example.org" ;;
    *_DOMAINS) is_domain_list "$2" || say "is not a list of domains in lower case, separated by commas alone" ;;
    *_NETWORKS) [ -z "$2" ] || is_network_list "$2" || say "is not a list of networks such as 192.0.2.0/24, separated by commas alone" ;;
    *_MAX_MESSAGE_BYTES) is_integer_within "$2" 65536 1073741824 || say "is not a whole number of bytes from 65536 to 1073741824" ;;
    *_MAILBOX_QUOTA) [[ $2 =~ ^(0|[1-9][0-9]{0,5}[MGT])$ ]] || say "is neither a size such as 500M, 5G or 1T nor 0" ;;
    *_POLICY_FILE) [ -z "$2" ] || is_readable_file "$2" || say "is not a file that can be read, without blanks and given from / on" ;;
    *_GEO_DIR) [ -z "$2" ] || is_folder_of_databases "$2" || say "is not a folder, without blanks and given from / on, in which country.mmdb and asn.mmdb can be read" ;;
    *_MX) [ -z "$2" ] || is_domain_list "$2" || say "is not a list of host names in lower case, separated by commas alone" ;;
    *_MTA_STS) [[ $2 == "" || $2 == testing || $2 == enforce ]] || say "is neither testing nor enforce" ;;
    *_ALERT_TO) [ -z "$2" ] || is_mail_address "$2" || say "is not one address such as eve@example.org" ;;
    *_WITH) [ -z "$2" ] || is_parts_list "$2" || say "is not a list of parts, separated by commas alone, each with its compose.NAME.yaml here" ;;
    *_LOG_FORMAT) [[ $2 == text || $2 == json ]] || say "is neither text nor json" ;;
  esac
}

refuse_bad_line() { # FILE NUMBER LINE SEEN -> refuses a line that is no setting, an unknown one or one set before
  local where="$1 line $2" key=${3%%=*} gone
  [[ $3 != *$'\r' ]] || refuse "$where ends in a carriage return; save the file with Unix line ends."
  [[ $3 =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || refuse "$where is not of the form KEY=value; correct it, or put # before it."
  gone=$(remedy_of_gone "$key")
  [ -z "$gone" ] || refuse "$where sets $key, which is a setting no more; $gone, and remove the line."
  is_known "$key" || refuse "$where sets $key, which is not a setting; .env.example lists those that there are."
  [[ " $4 " != *" $key "* ]] || refuse "$where sets $key a second time; keep one of the two lines."
}

read_env_file() { # FILE -> sets the variable FROM_FILE_<key> for each line, or refuses
  local line number=0 seen='' key value problem
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    refuse_bad_line "$1" "$number" "$line" "$seen"
    key=${line%%=*} value=${line#*=}
    [ -n "$value" ] || [ -z "$(default_of "$key")" ] || refuse "$1 line $number: $key is empty; give it a value, or remove the line for the default."
    problem=$(problem_of "$key" "$value")
    [ -z "$problem" ] || refuse "$1 line $number: $key is \"$value\", which $problem; correct it, or remove the line for the default."
    seen="$seen $key"
    printf -v "FROM_FILE_$key" '%s' "$value"
  done <"$1"
}

take_environment() { # a variable of the environment wins over .env, and is checked in the same way
  local key problem
  for key in ${!SALLYPORT_*}; do
    problem=$(remedy_of_gone "$key")
    [ -z "$problem" ] || refuse "$key of the environment is a setting no more; $problem, and unset it."
  done
  for key in $(known_keys); do
    [ -n "${!key:-}" ] || continue
    problem=$(problem_of "$key" "${!key}")
    [ -z "$problem" ] || refuse "$key of the environment is \"${!key}\", which $problem; correct it, or unset it for the default."
    printf -v "FROM_FILE_$key" '%s' "${!key}"
  done
}

fill_in_defaults() { # exports every setting
  local key from_file
  for key in $(known_keys); do
    from_file="FROM_FILE_$key"
    export "$key=${!from_file:-$(default_for_way "$key")}"
  done
}

default_for_way() { # KEY -> its default; a plain process of somebody who is not root gets ports that need no privilege
  case $WAY:$(id -u):$1 in
    *:SALLYPORT_CONSOLE_URL) say "https://localhost:$SALLYPORT_CONSOLE_PORT" ;; # the port stands above it in .env.example
    containers:* | native:0:*) default_of "$1" ;;
    *:SALLYPORT_SINK_PORT | *:SALLYPORT_CONSOLE_PORT) default_of "$1" ;;
    *_PORT) say $((1000 + $(default_of "$1"))) ;;
    *) default_of "$1" ;;
  esac
}

refuse_same_port_twice() {
  local key other
  for key in $PUBLIC_PORTS $WEB_PORTS; do
    for other in $PUBLIC_PORTS $WEB_PORTS; do
      [ "$key" != "$other" ] || break
      [ "${!key}" != "${!other}" ] || refuse "$key is ${!key}, which $other is already; give each a port of its own."
    done
  done
}

load_settings() { # [FILE]; exports every setting, or refuses with one sentence
  if [ -e "${1:-.env}" ]; then
    [ -f "${1:-.env}" ] && [ -r "${1:-.env}" ] || refuse "${1:-.env} cannot be read; make it a file that you may read, or remove it."
    read_env_file "${1:-.env}"
  fi
  take_environment
  fill_in_defaults
  refuse_same_port_twice
}

refuse_absent_ipv6() { # a listener on :: would start, and nobody would reach it there
  local key
  for key in SALLYPORT_BIND SALLYPORT_CONSOLE_BIND SALLYPORT_SINK_BIND; do
    [[ ${!key} != *:* ]] || has_ipv6 || refuse "$key is ${!key}, and IPv6 is off on this machine; set it to an IPv4 address such as 0.0.0.0."
  done
}

# --- the public ports against what the machine already runs -------------------------------------------------------------

public_binds() { # lines "KEY ADDRESS PORT" of every port that the stack opens to others
  local key
  for key in $PUBLIC_PORTS; do say "$key $SALLYPORT_BIND ${!key}"; done
  say "SALLYPORT_CONSOLE_PORT $SALLYPORT_CONSOLE_BIND $SALLYPORT_CONSOLE_PORT"
  [ "$STACK" = main ] || say "SALLYPORT_SINK_PORT $SALLYPORT_SINK_BIND $SALLYPORT_SINK_PORT"
}

lowest_free_port() { cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || say 1024; } # for who is not root

refuse_privileged_ports() { # REMEDY OWN... -> refuses ports that only root may open, but for those that this stack has already
  local key address port lowest remedy=$1 taken=''
  shift
  lowest=$(lowest_free_port)
  while read -r key address port; do
    [[ " $* " == *" $port "* ]] || [ "$port" -ge "$lowest" ] || taken="$taken${taken:+, }port $port of $key"
  done < <(public_binds)
  [ -z "$taken" ] || refuse "only root may open $taken here; set others, from $lowest on, or $remedy."
}

refuse_taken_ports() { # OWN... -> refuses where somebody other than this stack (whose ports are OWN) listens already
  local key address port keys='' taken=''
  while read -r key address port; do
    [[ " $* " != *" $port "* ]] || continue
    port_is_taken "$address" "$port" || continue
    taken="$taken${taken:+, }port $port of $key" keys="$keys${keys:+, }$key"
  done < <(public_binds)
  [ -z "$taken" ] ||
    refuse "already in use on this machine: $taken; set $keys to free ports in .env (or in the environment, for this stack alone), or stop the program that holds them."
}
