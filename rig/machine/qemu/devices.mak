# SPDX-License-Identifier: GPL-2.0
# The devices of the test machine, for --without-default-devices: what boot.sh names, and HPET, which Linux
# calibrates its clocks with.
CONFIG_Q35=y
CONFIG_HPET=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
