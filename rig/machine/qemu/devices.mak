# SPDX-License-Identifier: GPL-2.0
# The devices of the test machine, for --without-default-devices: those that boot.sh uses, and HPET, with which Linux
# calibrates its clocks.
CONFIG_Q35=y
CONFIG_AMD_IOMMU=y
CONFIG_HPET=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
