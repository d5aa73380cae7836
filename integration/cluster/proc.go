//go:build linux

package cluster

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// marked lists the processes of this machine that carry the mark in their environment, their arguments or their working
// directory. Those that have ended and only wait for their parent to notice are none.
func marked(mark string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && pid != os.Getpid() && carries(pid, mark) && stateOf(pid) != "Z" {
			pids = append(pids, pid)
		}
	}
	return pids
}

func carries(pid int, mark string) bool {
	dir := fmt.Sprintf("/proc/%d/", pid)
	for _, file := range []string{"environ", "cmdline"} {
		if text, err := os.ReadFile(dir + file); err == nil && bytes.Contains(text, []byte(mark)) {
			return true
		}
	}
	cwd, err := os.Readlink(dir + "cwd")
	return err == nil && strings.Contains(cwd, mark)
}

// stateOf is the third field of /proc/PID/stat (R, S, D, T, Z, …), "" when there is no such process.
func stateOf(pid int) string { return statOf(pid, 0) }

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		child, err := strconv.Atoi(entry.Name())
		if err == nil && statOf(child, 1) == strconv.Itoa(pid) {
			pids = append(pids, child)
		}
	}
	return pids
}

// alive tells whether any of the processes is there and has not ended.
func alive(pids []int) bool {
	return slices.ContainsFunc(pids, func(pid int) bool { return !slices.Contains([]string{"", "Z", "X"}, stateOf(pid)) })
}

// statOf is a field of /proc/PID/stat, counted from the one after the name, "" when there is no such process.
func statOf(pid, field int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := bytes.Fields(text[max(bytes.LastIndexByte(text, ')'), 0):])
	if len(fields) < field+2 {
		return ""
	}
	return string(fields[field+1])
}

// describe names processes for people.
func describe(pids []int) []string {
	list := make([]string, 0, len(pids))
	for _, pid := range pids {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue // it has just ended
		}
		list = append(list, fmt.Sprintf("%d %s: %s", pid, stateOf(pid), strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))))
	}
	return list
}
