//go:build !linux

// Command command is for Linux only.
package main

func main() {}
