package plan

import (
	"fmt"
	"strings"
)

// suggest names the one that was probably meant; "" if none is near.
func suggest(name string, known []string) string {
	best, least := "", 0
	for _, k := range known {
		d := 0
		if !strings.EqualFold(k, name) {
			d = distance(k, name)
		}
		if d <= 1+len(k)/5 && (best == "" || d < least) && (len(name) > 1 || d == 0) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %s?", best)
}

// distance is the number of edits between two short strings.
func distance(a, b string) int {
	const most = 128
	if len(a) > most || len(b) > most {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			prev, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, prev+cost)
		}
	}
	return row[len(b)]
}
