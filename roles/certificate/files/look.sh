# Prints the certificate of the CA and the other, and fails where anything of the four files is off. All of it comes in the environment.
openssl x509 -in "$CA"
echo --next--
openssl x509 -in "$CERTIFICATE"
set -e
test "$(stat --printf '%U:%G:%a ' "$CA_KEY" "$CA" "$KEY" "$CERTIFICATE")" = "$ATTRIBUTES"
test "$(openssl pkey -in "$CA_KEY" -passin pass: -pubout)" = "$(openssl x509 -in "$CA" -noout -pubkey)"
test "$(openssl pkey -in "$KEY" -passin pass: -pubout)" = "$(openssl x509 -in "$CERTIFICATE" -noout -pubkey)"
openssl x509 -in "$CA" -noout -checkend "$CA_SECONDS" >&2
openssl verify -no-CApath -no-CAstore -CAfile "$CA" -attime "$(($(date +%s) + SECONDS_LEFT))" "$CERTIFICATE" >&2
