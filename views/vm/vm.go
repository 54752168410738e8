// Package vm holds the view models: what each page shows, already put into words.
//
// A handler asks the services for rows (package model), a constructor here turns them into a view model
// with the time of the request, and a templ component prints it. Nothing in this package does I/O or
// reads the clock, so every state of every page can be built in a test.
//
// Text from people stays plain text in here; templ escapes it. The two exceptions return markup that is
// safe to print raw and say so: Prose (sanitised Markdown) and nothing else.
package vm

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"overskill/internal/model"
)

// Shell is what every page needs around its content.
type Shell struct {
	Title  string
	Me     *Person // nil when nobody is signed in
	CSRF   string  // "" when the browser proves the origin itself (Sec-Fetch-Site)
	Active string  // which entry of the top navigation is current: "apps", "settings", "admin" or ""
}

// Person is how somebody appears on a page.
type Person struct {
	Name     string
	Email    string
	Initials string // one or two upper-case letters
	Admin    bool   // of the instance
}

// NewPerson says how u appears. Somebody without a name is called by the part of the address before the @.
func NewPerson(u model.User) Person {
	name := strings.TrimSpace(u.Name)
	if name == "" {
		name, _, _ = strings.Cut(u.Email, "@")
	}
	if name == "" {
		name = "Someone"
	}
	return Person{Name: name, Email: u.Email, Initials: initials(name), Admin: u.Admin}
}

// initials takes the first letter of the first and of the last word.
func initials(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "?"
	}
	first, _ := utf8.DecodeRuneInString(words[0])
	out := string(unicode.ToUpper(first))
	if len(words) > 1 {
		last, _ := utf8.DecodeRuneInString(words[len(words)-1])
		out += string(unicode.ToUpper(last))
	}
	return out
}

// Form is a form that came back: what was typed, and what was wrong with it.
type Form struct {
	Error string // a sentence; "" when nothing is wrong
	Email string
	Name  string
	Text  string // the prompt or the message
	Next  string // where to go after signing in; a path of this site
	Kept  string // the prompt that waits for an account; "" when there is none
}

// shorten cuts text to at most n runes at a word, with an ellipsis.
func shorten(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	cut := string([]rune(text)[:n])
	if space := strings.LastIndexByte(cut, ' '); space > len(cut)/2 {
		cut = cut[:space]
	}
	return strings.TrimRight(cut, " ,.;:") + "…"
}
