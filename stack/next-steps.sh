# What `make up` prints at the end: the same words for both ways, and every line ready to be pasted. Sourced by bash.
# shellcheck shell=bash disable=SC2154

print_next_steps() {
  local host test_flag target login secret address first certificate
  host=$(client_host)
  target=$(test_suffix " TEST=1") test_flag=$(test_suffix " --test")
  certificate=$(test_suffix "-test")
  certificate=sallyport$certificate.pem
  print_state "$host"
  if first=$("${WAY}_cli" first-login --json </dev/null 2>/dev/null); then
    login=$(json_text login "$first") secret=$(json_text secret "$first") address=$(json_list_head addresses "$first")
  else
    first='' login=LOGIN secret=SECRET address=postmaster@${SALLYPORT_DOMAINS%%,*}
  fi
  print_first_login
  print_person
  print_messages
  say
  if [ "$STACK" = main ]; then
    say "Name, domains, certificate, DNS: docs/operating.md, The first hour. What is missing still: ./sallyport doctor"
  fi
  say "Stop it with \`make down$target\`, which keeps the data; \`make destroy$target\` asks, then removes the data, too."
}

json_text() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" <<<"$2"; }
json_list_head() { sed -n "s/.*\"$1\": *\[ *\"\([^\"]*\)\".*/\1/p" <<<"$2"; }

client_host() { # the name that a client on this machine connects to; the first start's certificate covers both
  case $SALLYPORT_BIND in 0.0.0.0 | :: | 127.0.0.1) say localhost ;; *) say "$SALLYPORT_HOSTNAME" ;; esac
}

print_state() { # HOST
  say
  if [ -n "${ALREADY_UP:-}" ]; then say "Sallyport was up already, and is up to date."; else say "Sallyport is up."; fi
  say
  say "  submission    $1 port $SALLYPORT_SUBMISSION_PORT (STARTTLS) and port $SALLYPORT_SUBMISSIONS_PORT (TLS)"
  say "  mail pickup   $1 port $SALLYPORT_IMAPS_PORT (IMAP over TLS)"
  say "  web console   $SALLYPORT_CONSOLE_URL"
  say "  certificate   SHA-256 $("${WAY}_cli" certificate --fingerprint </dev/null)"
  if [ -n "${NEW_CERTIFICATE:-}" ]; then
    say "                It is a NEW self-signed one, $NEW_CERTIFICATE, because SALLYPORT_HOSTNAME has changed."
    say "                Whoever was told to trust the old one has to be told to trust this one."
  fi
  if [[ $WAY == containers && $SALLYPORT_BIND == *:* ]]; then
    say "  NOTE          The engine hides who connects to an IPv6 address: a thief would look at home (docs/operating.md, Who connects)."
  fi
  if [ "$WAY" = containers ]; then print_engine; fi
  if [ "$STACK" = test ]; then
    say "  mail sink     http://$(in_url "$(reachable_host "$SALLYPORT_SINK_BIND")"):$SALLYPORT_SINK_PORT/messages (no mail leaves this stack)"
  fi
}

print_engine() { # what another one than root's Docker Engine does differently
  if is_rootless_engine; then
    say "  NOTE          A rootless engine mostly hides who connects: a thief would look at home (docs/operating.md, Who connects)."
  fi
  if [[ $(docker version 2>/dev/null) == *[Pp]odman* ]]; then
    say "  NOTE          podman lets the gateway, Dovecot and the console out to the internet (docs/operating.md, Other engines)."
  fi
}

renamed_certificate() { # the output of init -> for which name a certificate was made anew; nothing where none was
  # Compose may write what clears a terminal's line before it.
  sed -n 's/.*made: .*self-signed certificate \(for [^,]*, in place of the one for [^,]*\).*/\1/p' | tail -n 1
}

# Those below are called by print_next_steps alone and see its variables.

print_first_login() {
  say
  if [ -n "$first" ]; then
    say "The first login, the administrator's. It is shown this once:"
    say "  login     $login"
    say "  secret    $secret"
    say "  sends as  $address"
  else
    say "The administrator's first login was shown at the first start; this makes another one:"
    say "  ./sallyport$test_flag credential add administrator --label laptop"
  fi
}

print_person() {
  say
  say "A login for a person:"
  say "  ./sallyport$test_flag identity add ada --address ada@${SALLYPORT_DOMAINS%%,*}"
  say "  ./sallyport$test_flag credential add ada --label laptop"
}

print_messages() {
  local only_ipv4=' -4' # swaks may try the first address of localhost alone, which is ::1
  [[ $SALLYPORT_BIND != *:* ]] || only_ipv4=''
  say
  say "A test message, first on port $SALLYPORT_SUBMISSION_PORT, then on port $SALLYPORT_SUBMISSIONS_PORT, from here to $address. Clients have to trust the certificate:"
  print_missing_tools
  say "  ./sallyport$test_flag certificate > $certificate"
  say "  swaks$only_ipv4 --server $host --port $SALLYPORT_SUBMISSION_PORT --tls --tls-verify --tls-ca-path $certificate --auth PLAIN --auth-user $login --auth-password $secret --from $address --to $address"
  say "  printf 'From: %s\\r\\nTo: %s\\r\\nSubject: test\\r\\n\\r\\nIt works.\\r\\n' $address $address | curl --cacert $certificate --user $login:$secret --mail-from $address --mail-rcpt $address --upload-file - smtps://$host:$SALLYPORT_SUBMISSIONS_PORT"
  say "Read it back (MAILINDEX counts from the oldest):"
  say "  curl --cacert $certificate --user $login:$secret 'imaps://$host:$SALLYPORT_IMAPS_PORT/INBOX;MAILINDEX=1'"
}

print_missing_tools() { # what the lines need and a bare Debian has not; swaks alone cannot speak TLS
  local missing=''
  command -v swaks >/dev/null || missing="swaks libnet-ssleay-perl"
  command -v curl >/dev/null || missing="$missing${missing:+ }curl"
  # It would take the lines that are pasted behind it for answers.
  [ -z "$missing" ] || say "  apt-get install --yes $missing </dev/null"
}
