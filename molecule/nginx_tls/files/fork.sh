# Makes a package of a web server that is laid out as Angie's: nginx, whose compiled-in paths have names of the same length.
set -e
cd "$(mktemp -d)"
mkdir -p fork/DEBIAN fork/usr/sbin fork/usr/lib/systemd/system fork/etc/angie/http.d fork/etc/logrotate.d
sed 's#/etc/nginx/nginx\.conf#/etc/angie/angie.conf#g; s#/\(run\|var/lib\|var/log\)/nginx#/\1/angie#g' /usr/sbin/nginx > fork/usr/sbin/angie
chmod 755 fork/usr/sbin/angie
cp /etc/nginx/mime.types fork/etc/angie
cat > fork/etc/angie/angie.conf << END
user angie;
pid /run/angie.pid;
error_log /var/log/angie/error.log;
events { worker_connections 768; }
http {
    include /etc/angie/mime.types;
    access_log /var/log/angie/access.log;
    include /etc/angie/http.d/*.conf;
}
END
cat > fork/usr/lib/systemd/system/angie.service << END
[Service]
Type=forking
PIDFile=/run/angie.pid
ExecStart=/usr/sbin/angie
ExecReload=/usr/sbin/angie -s reload
[Install]
WantedBy=multi-user.target
END
cat > fork/etc/logrotate.d/angie << END
/var/log/angie/*.log {
    create 640 angie adm
    sharedscripts
    postrotate
        kill -USR1 \$(cat /run/angie.pid)
    endscript
}
END
cat > fork/DEBIAN/postinst << END
#!/bin/sh
set -e
getent passwd angie > /dev/null || useradd --system --user-group --no-create-home angie
mkdir -p /var/log/angie /var/lib/angie
for log in access error; do install --owner=angie --group=adm --mode=640 /dev/null /var/log/angie/\$log.log; done
END
cat > fork/DEBIAN/postrm << END
#!/bin/sh
if [ "\$1" = purge ]; then rm -rf /var/log/angie /var/lib/angie /etc/angie; fi
END
chmod 755 fork/DEBIAN/post*
printf '%s\n' 'Package: angie' 'Version: 1' 'Architecture: all' 'Maintainer: nobody' 'Description: nginx with other paths' > fork/DEBIAN/control
dpkg-deb --root-owner-group --build fork /root/angie.deb > /dev/null
apt-get install --yes --no-install-recommends /root/angie.deb > /dev/null
