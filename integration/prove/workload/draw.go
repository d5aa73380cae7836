//go:build linux

package workload

import (
	"fmt"
	"hash/fnv"
	"math/bits"
	"strconv"

	"pgregory.net/rapid"
)

// object is a JSON object in the making.
type object map[string]any

// drawing is a plan in the making.
type drawing struct {
	*rapid.T

	name    string // of the plan
	command string // what steps of kind exec run
}

// upTo is one of 0 to n, each as likely as the others: rapid's own numbers are small ones most of the time.
func (d *drawing) upTo(n int) int {
	v := 0
	for range bits.Len(uint(n)) + 5 {
		v *= 2
		if rapid.Bool().Draw(d.T, "bit") {
			v++
		}
	}
	return v % (n + 1)
}

// chance is true so many times in a hundred.
func (d *drawing) chance(percent int) bool { return d.upTo(99) < percent }

func pick[T any](d *drawing, from ...T) T { return from[d.upTo(len(from)-1)] }

// between is a duration of from to to, in steps of 10 ms.
func (d *drawing) between(from, to int) string {
	return fmt.Sprintf("%dms", from+10*d.upTo((to-from)/10))
}

// number is what a seed makes of words: the same for the same ones.
func number(seed uint64, words ...string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatUint(seed, 10)))
	for _, word := range words {
		_, _ = h.Write(append([]byte{0}, word...))
	}
	// FNV's low bits know little of its last bytes: they are mixed.
	n := h.Sum64()
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// chance is true for so many words in a hundred, always for the same ones.
func chance(percent int, seed uint64, words ...string) bool {
	return number(seed, words...)%100 < uint64(percent)
}
