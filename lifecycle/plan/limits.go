package plan

// Limits bounds plans. A field that is 0 has its default.
type Limits struct {
	Body   int // bytes of a text; 32 MiB
	Steps  int // 100,000
	Needs  int // of all steps together; 1,000,000
	Input  int // bytes of input, as compact JSON; 1 MiB
	With   int // bytes of one step's with, as compact JSON; 256 KiB
	Values int // JSON values of a text, names of members not counted; 8,000,000
	Faults int // listed at most; 1,000
}

// What contract 1 fixes for every plan.
const (
	maxDepth       = 100
	aliasFactor    = 10 // how much larger than the text its aliases may make it
	maxDescription = 4 << 10
	maxLabels      = 32
	maxLabel       = 256
	maxNumber      = 1000 // characters of a number
	maxExponent    = 308  // of a number, either way
)

func (l Limits) withDefaults() Limits {
	def := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	def(&l.Body, 32<<20)
	def(&l.Steps, 100_000)
	def(&l.Needs, 1_000_000)
	def(&l.Input, 1<<20)
	def(&l.With, 256<<10)
	def(&l.Values, 8_000_000)
	def(&l.Faults, 1000)
	return l
}
