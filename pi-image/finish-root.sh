#!/bin/sh
# Runs inside the root of the image (root.sh): installs our package and sets what a folder of files
# cannot.
set -eux
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
dpkg --install /strongroom.deb

systemctl enable systemd-networkd systemd-resolved systemd-timesyncd nftables ssh \
    strongroom-grow strongroom-settings strongroom-update.timer strongroom-update.path
for unit in strongroom-first-boot.service strongroom-prepare.path strongroom-power.path \
    strongroom-stick.socket; do
    [ ! -e "/usr/lib/systemd/system/$unit" ] || systemctl enable "$unit"
done
systemctl disable systemd-networkd-wait-online.service wpa_supplicant.service
# Nobody sits before a screen; nobody has a password.
systemctl mask getty.target getty@.service serial-getty@.service apt-daily.timer \
    apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
# A way in for virtual machines
mkdir -p /etc/systemd/system-generators
ln -s /dev/null /etc/systemd/system-generators/systemd-ssh-generator
systemctl set-default multi-user.target
passwd --lock root

# Where things that stay are mounted, and what they start with.
install -d -m 0755 /state
install -d -m 0700 -o strongroom -g strongroom /state/strongroom
install -d -m 0770 -o root -g strongroom /state/system/etc/strongroom
install -d -m 0755 -o systemd-timesync -g systemd-timesync /state/clock /var/lib/systemd/timesync
install -d -m 0755 /etc/strongroom /var/lib/strongroom /srv/strongroom

echo strongroom > /etc/hostname
printf '%s\n' '127.0.0.1 localhost' '127.0.1.1 strongroom' '::1 localhost' > /etc/hosts
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
# Present and empty: another number at every boot, and no boot is the first one to the service
# manager, since this root forgets.
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/ssh/ssh_host_* /var/lib/systemd/random-seed

# The image is written in one go, an update is not: dpkg flushes what it unpacks.
sed -i '/^force-unsafe-io$/d' /etc/dpkg/dpkg.cfg.d/*

# Where updates come from, whatever mirror this was made with.
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
cat > /etc/apt/sources.list.d/debian.sources << 'SOURCES'
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates trixie-backports
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: trixie-security
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp
SOURCES
[ -e /usr/share/keyrings/debian-archive-keyring.pgp ] ||
    sed -i 's/keyring\.pgp/keyring.gpg/' /etc/apt/sources.list.d/debian.sources

rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/* /var/cache/debconf/*-old \
    /var/log/*.log /var/log/apt /tmp/* /var/lib/dpkg/*-old /etc/*-
# The clock never starts before the day of the image.
touch --date="@$SOURCE_DATE_EPOCH" /usr/lib/clock-epoch /etc/.updated /var/.updated
# Older than what was made for it, so that no boot believes it has been updated.
touch --date="@$((SOURCE_DATE_EPOCH - 1))" /usr
