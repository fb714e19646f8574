//go:build !unix

package main

import "os/exec"

// inGroup leaves it at killing the command alone.
func inGroup(*exec.Cmd) {}
