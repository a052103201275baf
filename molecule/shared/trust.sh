# A browser's own store of CAs gets those in a file.
set -e
rm -rf /root/.pki/nssdb /root/ca-*
mkdir -p /root/.pki/nssdb
certutil -d sql:/root/.pki/nssdb -N --empty-password
csplit --silent --elide-empty-files --prefix=/root/ca- "$1" '/-----BEGIN/' '{*}'
for ca in /root/ca-*; do certutil -d sql:/root/.pki/nssdb -A -t C,, -n "$ca" -i "$ca"; done
