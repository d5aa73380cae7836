//go:build !linux

// Command worker is for Linux only.
package main

func main() {}
