package tailwind

// maxName is the length from which on a word is not considered a class name any more.
const maxName = 400

// Scan calls add for everything in src that could be a Tailwind class name, in order, with repetitions.
//
// It yields a superset on purpose: the compiler ignores names that mean nothing to it. A name starts where a
// word can start and runs over the letters that Tailwind's grammar knows; an arbitrary value in brackets may
// hold anything but white space, with brackets and quotes in balance. Words inside brackets and quotes are
// words too, so ["flex", "p-2"] gives flex and p-2.
func Scan(src []byte, add func(name string)) {
	for i := 0; i < len(src); i++ {
		if !canStart[src[i]] || i > 0 && inWord[src[i-1]] && src[i-1] != '.' {
			continue
		}
		if end := nameEnd(src, i); end > i {
			add(string(src[i:end]))
		}
	}
}

// nameEnd returns where the name that starts at i ends, or i.
func nameEnd(src []byte, i int) int {
	end := i
	for end < len(src) && end-i <= maxName {
		c := src[end]
		if c == '[' || c == '(' {
			if end > i && !beforeBracket[src[end-1]] || end == i && c == '(' {
				break
			}
			close := bracketEnd(src, end)
			if close < 0 {
				break
			}
			end = close
			continue
		}
		if !inWord[c] {
			break
		}
		end++
	}
	if end-i > maxName {
		return i
	}
	for end > i && trailing[src[end-1]] { // "flex." and "flex:" end sentences and keys
		end--
	}
	return end
}

// bracketEnd returns the position after the bracket that closes the one at i, or -1 if white space, the end or
// another bracket comes first.
func bracketEnd(src []byte, i int) int {
	var open [16]byte
	depth := 0
	for n := 0; i < len(src) && n <= maxName; i, n = i+1, n+1 {
		switch c := src[i]; c {
		case ' ', '\t', '\n', '\r', '\f', 0:
			return -1
		case '\\':
			i++
		case '\'', '"', '`':
			for i++; i < len(src) && src[i] != c; i++ {
				if src[i] <= ' ' {
					return -1
				}
				if src[i] == '\\' {
					i++
				}
			}
		case '[', '(', '{':
			if depth == len(open) {
				return -1
			}
			open[depth] = c
			depth++
		case ']', ')', '}':
			if want := map[byte]byte{']': '[', ')': '(', '}': '{'}[c]; open[depth-1] != want {
				return -1
			}
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// The classes of bytes that the grammar of names is made of.
var (
	inWord        = bytesOf("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:/.%@*!")
	canStart      = bytesOf("abcdefghijklmnopqrstuvwxyz0123456789-@*![")
	beforeBracket = bytesOf("-:/!")
	trailing      = bytesOf(".:/-@")
)

func bytesOf(set string) (t [256]bool) {
	for i := range len(set) {
		t[set[i]] = true
	}
	return t
}
