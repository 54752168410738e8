package gate

import (
	"bytes"
	"math"
	"regexp"
	"strings"

	"overskill/internal/model"
)

// tellingNames are parts of names that are given to secrets, in lower case.
var tellingNames = []string{
	"secret", "token", "password", "passwd", "apikey", "api_key", "api-key", "privatekey", "private_key", "accesskey", "access_key", "authkey", "auth_key",
}

// public are beginnings of keys that are made for browsers, and of texts that are no keys at all. JSON Web Tokens are
// among them: the ones that matter have a shape of their own.
var public = []string{
	"pk_", "pk.", "sb_publishable_", "eyj", "aiza", "phc_", "sha256-", "sha384-", "sha512-", "data:", "http", "public", "/", ".", "#", "--", "client_", "ca-pub-",
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// guesses finds texts that look random and are assigned to what is called a secret, besides those that were found
// already.
func guesses(content []byte, found []hit) (out []hit) {
	lower := bytes.ToLower(content)
	if len(lower) != len(content) { // some letter has another length in lower case, so that the places differ
		lower = asciiLower(content)
	}
	seen := map[int]bool{}
	for _, h := range found {
		seen[h.begin] = true
	}
	for _, name := range tellingNames {
		for from := 0; ; {
			i := bytes.Index(lower[from:], []byte(name))
			if i < 0 {
				break
			}
			from += i + len(name)
			begin, end, ok := assigned(content, from)
			if !ok || seen[begin] || !random(string(content[begin:end])) || within(begin, found) {
				continue
			}
			seen[begin] = true
			out = append(out, hit{kind: "a secret", begin: begin, end: end, severity: model.SeverityWarn, guess: true})
		}
	}
	return out
}

func asciiLower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

func within(place int, hits []hit) bool {
	for _, h := range hits {
		if place >= h.begin && place < h.end {
			return true
		}
	}
	return false
}

// assigned reads on behind a telling part of a name: the rest of the name, a colon or an equals sign, and a text in
// quotes, whose place it returns. So apiKey:"..." and const SECRET_TOKEN = '...' are read, and token==="..." is not.
func assigned(b []byte, i int) (begin, end int, ok bool) {
	for n := 0; i < len(b) && (wordByte(b[i]) || b[i] == '-') && n < 40; n++ {
		i++
	}
	if i < len(b) && (b[i] == '"' || b[i] == '\'') {
		i++
	}
	i = skipSpace(b, i)
	if i >= len(b) || b[i] != ':' && b[i] != '=' {
		return 0, 0, false
	}
	i = skipSpace(b, i+1)
	if i >= len(b) || b[i] != '"' && b[i] != '\'' && b[i] != '`' {
		return 0, 0, false
	}
	quote := b[i]
	begin = i + 1
	end = bytes.IndexByte(b[begin:min(begin+maxRandom+1, len(b))], quote)
	return begin, begin + end, end >= minRandom
}

func skipSpace(b []byte, i int) int {
	for n := 0; i < len(b) && n < 8 && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r'); n++ {
		i++
	}
	return i
}

// Lengths in bytes between which a text is looked at, and the entropy in bits a character from which it looks random:
// 20 random letters and digits have about 4.1, English words put together about 3.3.
const (
	minRandom  = 20
	maxRandom  = 200
	minEntropy = 3.7
	minHex     = 3.0 // of 16 characters; 32 random ones have about 3.6
)

// random reports whether a text looks as if a machine had made it up.
func random(s string) bool {
	lower := strings.ToLower(s)
	for _, p := range public {
		if strings.HasPrefix(lower, p) {
			return false
		}
	}
	digits, uppers, lowers, hex := 0, 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			hex++
		case c >= 'a' && c <= 'z':
			lowers++
			if c <= 'f' {
				hex++
			}
		case c >= 'A' && c <= 'Z':
			uppers++
		case strings.IndexByte("+/=_.-~", c) < 0:
			return false // spaces, brackets: prose and code
		}
	}
	if uuid.MatchString(s) || !varied([]byte(s)) {
		return false
	}
	if hex == len(s) {
		return len(s) >= 32 && digits >= 4 && lowers >= 4 && entropy(s) >= minHex
	}
	return digits >= 3 && lowers >= 3 && uppers >= 3 && entropy(s) >= minEntropy
}

// entropy returns the Shannon entropy in bits a character.
func entropy(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	bits := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
