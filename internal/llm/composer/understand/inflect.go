package understand

import (
	"strings"
	"unicode"
)

// irregular maps plurals to singulars that no rule finds.
var irregular = map[string]string{
	"people": "person", "children": "child", "men": "man", "women": "woman", "feet": "foot", "teeth": "tooth", "mice": "mouse",
	"geese": "goose", "lives": "life", "knives": "knife", "wives": "wife", "leaves": "leaf", "shelves": "shelf", "halves": "half",
	"loaves": "loaf", "calves": "calf", "thieves": "thief", "wolves": "wolf", "scarves": "scarf", "hooves": "hoof",
	"buses": "bus", "quizzes": "quiz", "analyses": "analysis", "diagnoses": "diagnosis", "criteria": "criterion",
	"movies": "movie", "cookies": "cookie", "pies": "pie", "ties": "tie", "zombies": "zombie", "calories": "calorie",
	"selfies": "selfie", "smoothies": "smoothie", "brownies": "brownie", "rookies": "rookie", "hobbies": "hobby",
	"shoes": "shoe", "canoes": "canoe", "oboes": "oboe", "toes": "toe", "caches": "cache", "axes": "axe", "lenses": "lens",
	"indices": "index", "matrices": "matrix", "vertices": "vertex", "cacti": "cactus", "fungi": "fungus", "alumni": "alumnus",
	"staves": "staff", "oxen": "ox", "dice": "die", "heroes": "hero", "classes": "class", "gases": "gas", "viruses": "virus",
	"statuses": "status", "bonuses": "bonus", "campuses": "campus", "menus": "menu", "apiaries": "apiary", "flatmates": "flatmate",
	"bees": "bee", "fees": "fee", "trees": "tree", "attendees": "attendee", "employees": "employee", "committees": "committee",
	"coffees": "coffee", "refugees": "refugee", "trainees": "trainee", "mentees": "mentee", "cheeses": "cheese", "houses": "house",
	"courses": "course", "horses": "horse", "nurses": "nurse", "purses": "purse", "purchases": "purchase", "licenses": "license",
	"exercises": "exercise", "expenses": "expense", "responses": "response", "causes": "cause", "phases": "phase", "vases": "vase",
	"cases": "case", "bases": "base", "databases": "database", "releases": "release", "leases": "lease", "verses": "verse",
	"noses": "nose", "roses": "rose", "doses": "dose", "diseases": "disease", "warehouses": "warehouse", "greenhouses": "greenhouse",
	"cruises": "cruise", "promises": "promise", "franchises": "franchise", "senses": "sense", "clauses": "clause", "pulses": "pulse",
	"avalanches": "avalanche", "niches": "niche", "headaches": "headache", "moustaches": "moustache", "sizes": "size", "prizes": "prize",
	"mazes": "maze", "species": "species", "series": "series",
}

// invariant words look like plurals and are not, or have none.
var invariant = map[string]bool{
	"news": true, "series": true, "species": true, "equipment": true, "information": true, "status": true, "address": true,
	"business": true, "class": true, "glass": true, "boss": true, "pass": true, "process": true, "access": true, "progress": true,
	"bus": true, "gas": true, "lens": true, "virus": true, "bonus": true, "campus": true, "cactus": true, "octopus": true,
	"yes": true, "this": true, "is": true, "was": true, "has": true, "does": true, "its": true, "us": true, "always": true,
	"css": true, "gps": true, "sms": true, "ios": true, "dress": true, "mattress": true, "fitness": true, "witness": true,
	"canvas": true, "christmas": true, "tennis": true, "analysis": true, "basis": true, "diagnosis": true, "physics": true,
	"mathematics": true, "maths": true, "chess": true, "plus": true, "minus": true, "less": true, "across": true, "sales": false,
	"cross": true, "loss": true, "express": true, "compass": true, "harness": true, "wellness": true, "illness": true, "tours": false,
	"staff": true, "feedback": true, "furniture": true, "luggage": true, "software": true, "hardware": true, "clothes": true,
	"homework": true, "fish": true, "sheep": true, "deer": true, "aircraft": true, "bass": true, "atlas": true, "iris": true,
	"census": true, "focus": true, "genus": true, "menus": false, "moss": true, "grass": true, "brass": true, "press": true,
	"opens": true, "closes": true, "starts": true, "ends": true, "expires": true, "sms's": true, "allergies": false,
}

// singular returns the singular of an English noun in lower case; a word that is singular comes back as it is.
func singular(w string) string {
	if s, ok := irregular[w]; ok {
		return s
	}
	n := len(w)
	switch {
	case n < 4 || invariant[w] || w[n-1] != 's' || strings.HasSuffix(w, "ss") || strings.HasSuffix(w, "us") || strings.HasSuffix(w, "is"):
		return w
	case strings.HasSuffix(w, "ies") && n > 4:
		return w[:n-3] + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "shes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "xes"),
		strings.HasSuffix(w, "zzes"), strings.HasSuffix(w, "oes"):
		return w[:n-2]
	default:
		return w[:n-1]
	}
}

// plural returns the plural of an English noun in lower case; the last word of a phrase is the one that changes.
func plural(w string) string {
	head, last := "", w
	if i := strings.LastIndexAny(w, " _-"); i >= 0 {
		head, last = w[:i+1], w[i+1:]
	}
	for p, s := range irregular {
		if s == last && p != "staves" {
			return head + p
		}
	}
	n := len(last)
	switch {
	case n == 0:
		return w + "s"
	case last == "staff", last == "equipment", last == "feedback", last == "news", last == "homework", last == "fish", last == "sheep":
		return w
	case last[n-1] == 'y' && n > 1 && !strings.ContainsRune("aeiou", rune(last[n-2])):
		return head + last[:n-1] + "ies"
	case strings.HasSuffix(last, "s"), strings.HasSuffix(last, "sh"), strings.HasSuffix(last, "ch"), strings.HasSuffix(last, "x"), strings.HasSuffix(last, "z"):
		return w + "es"
	case last == "potato", last == "tomato", last == "echo", last == "hero":
		return w + "es"
	default:
		return w + "s"
	}
}

// folded are letters with marks and the plain letters in their place.
var folded = strings.NewReplacer(
	"á", "a", "à", "a", "â", "a", "ä", "a", "ã", "a", "å", "a", "æ", "ae", "ç", "c", "é", "e", "è", "e", "ê", "e", "ë", "e",
	"í", "i", "ì", "i", "î", "i", "ï", "i", "ñ", "n", "ó", "o", "ò", "o", "ô", "o", "ö", "o", "õ", "o", "ø", "o", "œ", "oe",
	"ú", "u", "ù", "u", "û", "u", "ü", "u", "ß", "ss", "ý", "y", "ÿ", "y", "č", "c", "š", "s", "ž", "z", "ł", "l", "ś", "s", "ż", "z",
	"ą", "a", "ę", "e", "ć", "c", "ń", "n", "ř", "r", "ě", "e", "ů", "u", "ğ", "g", "ş", "s", "ı", "i", "’", "'",
)

// fold lower-cases a word and takes the marks off its letters.
func fold(s string) string { return folded.Replace(strings.ToLower(s)) }

// snake turns a phrase into snake_case of at most max bytes, or "" when nothing of it is usable.
func snake(s string, max int) string {
	var b strings.Builder
	for _, r := range fold(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case r == '\'':
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		if b.Len() >= max {
			break
		}
	}
	return strings.Trim(b.String(), "_")
}

// sentenceCase upper-cases the first letter and keeps the rest: "SKU" stays, "due date" becomes "Due date".
func sentenceCase(s string) string {
	for i, r := range s {
		return s[:i] + string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// titleCase upper-cases every word but the small ones.
func titleCase(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		if i > 0 && (w == "of" || w == "and" || w == "the" || w == "for" || w == "in" || w == "a" || w == "de") {
			continue
		}
		words[i] = sentenceCase(w)
	}
	return strings.Join(words, " ")
}

// human turns a snake_case name into a label: "reorder_level" becomes "Reorder level".
func human(name string) string {
	s := strings.ReplaceAll(name, "_", " ")
	if acronyms[s] {
		return strings.ToUpper(s)
	}
	words := strings.Fields(s)
	for i, w := range words {
		if acronyms[w] {
			words[i] = strings.ToUpper(w)
		}
	}
	return sentenceCase(strings.Join(words, " "))
}

var acronyms = map[string]bool{
	"sku": true, "url": true, "isbn": true, "vat": true, "vin": true, "gpa": true, "abv": true, "id": true, "crm": true, "rsvp": true,
	"faq": true, "ph": false, "it": false, "dob": true, "okr": true, "po": true, "api": true, "qr": true,
}
