#!/bin/sh
# The first process of the machine, after the initial file system has mounted root: makes a small system of it, runs the tests
# that lie beside this file, writes their results onto the third drive, and ends the machine.
export PATH=/opt/httpipe/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm /tmp/results
mount -t tmpfs tmpfs /dev/shm
chmod 1777 /tmp /dev/shm
ip link set lo up
# Not below /sys, which ip(8) mounts again in each network namespace.
mkdir /run/cgroup
mount -t cgroup2 none /run/cgroup

# httpipe as its wheel brings it, in the virtual environment that has what it depends on
echo /srv/httpipe/site >/opt/httpipe/lib/python3.11/site-packages/httpipe.pth
printf '#!/opt/httpipe/bin/python3\nimport sys\nfrom pipeline.cli.start import main\nsys.exit(main())\n' >/opt/httpipe/bin/httpipe
chmod 755 /opt/httpipe/bin/httpipe

cd /srv/httpipe/inside
PYTHONPATH=/srv/httpipe/live python3 -m pytest -c /dev/null --rootdir . -p no:cacheprovider -p no:anyio -q -rs --durations=12 \
    --junitxml /tmp/results/junit.xml $(cat ../names) </dev/null >/tmp/results/output 2>&1
dmesg >/tmp/results/kernel.log
tail -n 40 /tmp/results/output
tar -cf /dev/vdc -C /tmp/results .
sync
echo b >/proc/sysrq-trigger
