#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Guards living beside KVM: with kvm-intel loaded first, loading Vellum or creating a VM on it answers EBUSY with one
# clear line and KVM still works; afterwards, without kvm, Vellum works; and the other way round. On a CPU without EPT
# (lab -M core2_penryn_t9600 --none) it guards instead that the load error names the missing feature.
set -u

dir=$(dirname "$0")
probe=$dir/hypercall		# any small test that needs a VM
vendor=kvm-intel
grep -q -w svm /proc/cpuinfo && vendor=kvm-amd

echo 'TAP version 13'
status=0
n=0

result() {
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		status=1
	fi
}

works() {
	VELLUM_DEVICE=$1 "$probe" >/tmp/probe.log 2>&1
}

# The lines our module has written since the last look
log_lines() {
	dmesg | sed -n "$((seen + 1)),\$p" | grep -i vellum
}

mark() {
	seen=$(dmesg | wc -l)
}

missing() {
	echo '1..3'
	mark
	modprobe vellum 2>/tmp/modprobe.log
	result $(($? == 0)) "loading fails"
	[ ! -e /dev/vellum ]
	result $? "no device is left"
	log_lines | sed 's/^/# /'
	log_lines | grep -q -i -E 'ept|unrestricted|virtual NMI|VPID|tertiary|secondary'
	result $? "the message names the missing feature"
	[ $status -eq 0 ] || sed 's/^/# /' /tmp/modprobe.log
	exit $status
}

if [ $vendor = kvm-intel ] && ! grep -q -w ept /proc/cpuinfo; then
	missing
fi
rmmod vellum 2>/dev/null	# the lab may have loaded it

echo '1..8'
modprobe $vendor
works /dev/kvm
result $? "stock KVM works first"
mark
if modprobe vellum 2>/tmp/modprobe.log; then
	# loaded, but no VM may come of it
	works /dev/vellum
	result $(($? == 0)) "no VM beside a loaded KVM"
	grep -q -i 'busy' /tmp/probe.log
	result $? "the errno is EBUSY"
else
	result 0 "Vellum does not load beside KVM"
	grep -q -i 'busy' /tmp/modprobe.log
	result $? "the errno is EBUSY"
fi
[ "$(log_lines | wc -l)" -ge 1 ]
result $? "the kernel log says why"
log_lines | sed 's/^/# /'
works /dev/kvm
result $? "stock KVM still works"

rmmod vellum 2>/dev/null
rmmod "$(echo $vendor | tr - _)" && rmmod kvm
result $? "stock KVM unloads"
modprobe vellum && works /dev/vellum
result $? "Vellum works once KVM is gone"
rmmod vellum && modprobe $vendor && works /dev/kvm
result $? "stock KVM works again after Vellum"
[ $status -eq 0 ] || sed 's/^/# /' /tmp/probe.log /tmp/modprobe.log
rmmod "$(echo $vendor | tr - _)" kvm
modprobe vellum
exit $status
