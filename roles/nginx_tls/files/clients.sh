# Prints the certificates of clients made so far, and ends with 3 where the files of their CA are not as they must be. The paths come in the environment.
if test -e "$CLIENTS"; then cat "$CLIENTS" || exit 1; fi
test "$(stat --printf '%U:%G:%a ' "$CA_KEY" "$CA" 2>/dev/null)" = "root:root:600 root:root:644 " &&
  test "$(openssl pkey -in "$CA_KEY" -passin pass: -pubout)" = "$(openssl x509 -in "$CA" -noout -pubkey)" &&
  openssl x509 -in "$CA" -noout -checkend "$CA_SECONDS" >&2 || exit 3
