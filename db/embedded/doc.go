// Package embedded is the PostgreSQL server of "weir dev": made of the binaries of this machine, or of
// downloaded ones, it runs as a child of this process, listens on 127.0.0.1 and keeps its data in a directory
// across restarts. It ends when this process ends, also by kill -9.
//
// PostgreSQL refuses to run as root, so for root it runs as user postgres or nobody. If that user cannot get
// into the data directory, the data itself lies below /var/lib/weir and the directory has a link to it.
package embedded
