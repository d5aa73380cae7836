package plan

import (
	"math/big"
	"strconv"
	"strings"
)

// checkNumber refuses numbers that are JSON but that neither databases nor programs keep: their exponent alone would make
// them very long.
func (r *reader) checkNumber(n *node) {
	if len(n.text) > maxNumber {
		r.fault(n, CodeOutOfRange, "is a number with more than %d characters", maxNumber)
		n.kind = invalid
		return
	}
	i := strings.IndexAny(n.text, "eE")
	if i < 0 {
		return
	}
	if e, err := strconv.Atoi(n.text[i+1:]); err != nil || e > maxExponent || e < -maxExponent {
		r.fault(n, CodeOutOfRange, "is a number with an exponent beyond %d", maxExponent)
		n.kind = invalid
	}
}

// yamlNumber gives a plain scalar of YAML's core schema as a JSON number; "" if it is none. The digits are kept.
func yamlNumber(s string) string {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'o') {
		return basedNumber(s)
	}
	sign := ""
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = "-", s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	whole, rest := digits(s)
	fraction, point := "", false
	if strings.HasPrefix(rest, ".") {
		point = true
		fraction, rest = digits(rest[1:])
	}
	if whole == "" && fraction == "" {
		return ""
	}
	exponent := ""
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent, rest = rest[:1], rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			exponent, rest = exponent+rest[:1], rest[1:]
		}
		var power string
		if power, rest = digits(rest); power == "" {
			return ""
		}
		exponent += power
	}
	if rest != "" {
		return ""
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if point && fraction == "" {
		fraction = "0"
	}
	if point {
		whole += "." + fraction
	}
	return sign + whole + exponent
}

func digits(s string) (digits, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// basedNumber reads 0x1f and 0o17.
func basedNumber(s string) string {
	base := 16
	if s[1] == 'o' {
		base = 8
	}
	if len(s) > maxNumber || strings.ContainsAny(s[2:], "_+-") {
		return ""
	}
	n, ok := new(big.Int).SetString(s[2:], base)
	if !ok {
		return ""
	}
	return n.String()
}
