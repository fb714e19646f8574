package faults

import (
	"fmt"
	"os/exec"
	"syscall"
)

// ownMounts and ownNetwork give a child mounts and a network of its own. Both
// need root.
func ownMounts(c *exec.Cmd)  { c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS} }
func ownNetwork(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} }

// replaceResolver puts a file in place of /etc/resolv.conf, for this process
// alone, which must have been started with ownMounts.
func replaceResolver(file string) error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over /etc/resolv.conf: %w", err)
	}
	return nil
}
