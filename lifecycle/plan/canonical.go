package plan

import "crypto/sha256"

// Canonical gives a JSON text in canonical form: members sorted by name, no blanks, no needless escapes, numbers as they were
// written. Texts with equal forms are the same request. The error is a *[SyntaxError], or [Faults] where an object has a
// member twice or a limit is passed.
func Canonical(src []byte) ([]byte, error) {
	r := newReader(Limits{})
	if err := r.size(src); err != nil {
		return nil, err
	}
	n, err := readJSON(r, src)
	if err != nil {
		return nil, err
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return n.appendJSON(make([]byte, 0, len(src)), true), nil
}

// Digest is the SHA-256 of the canonical form.
func Digest(src []byte) ([]byte, error) {
	canonical, err := Canonical(src)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(canonical)
	return sum[:], nil
}
