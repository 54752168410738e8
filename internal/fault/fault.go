// Package fault gives errors a kind and a sentence that may be shown to a person.
//
// A function deep down returns fault.New(fault.NotFound, "There is no app called %q.", slug)
// or wraps a cause with fault.Wrap; layers in between add context with fmt.Errorf and %w;
// the edge asks KindOf for the status and Text for the words. An error without a kind is
// Internal, and its text is never shown.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Kind says what sort of thing went wrong, independent of the transport.
type Kind string

const (
	Invalid      Kind = "invalid"      // the input is wrong; trying again with the same input is pointless
	Unauthorized Kind = "unauthorized" // nobody is signed in, or the credentials are wrong
	Forbidden    Kind = "forbidden"    // signed in, may see it, may not do it
	NotFound     Kind = "not_found"    // does not exist, or this person may not know that it does
	Conflict     Kind = "conflict"     // clashes with what is there, or with something that runs
	TooLarge     Kind = "too_large"    // over a limit that the text names
	RateLimited  Kind = "rate_limited" // too often; the text says when it resets
	Unavailable  Kind = "unavailable"  // something we depend on does not answer; worth trying again
	Canceled     Kind = "canceled"     // a person stopped it
	Internal     Kind = "internal"     // our mistake
)

type fault struct {
	kind  Kind
	text  string
	cause error
}

func (f *fault) Error() string {
	if f.cause == nil {
		return f.text
	}
	return f.text + ": " + f.cause.Error()
}

func (f *fault) Unwrap() error { return f.cause }

// New returns an error of a kind with a sentence for the person.
func New(kind Kind, format string, args ...any) error {
	return &fault{kind: kind, text: fmt.Sprintf(format, args...)}
}

// Wrap gives cause a kind and a sentence; the cause is logged, never shown. A nil cause gives nil.
func Wrap(cause error, kind Kind, format string, args ...any) error {
	if cause == nil {
		return nil
	}
	return &fault{kind: kind, text: fmt.Sprintf(format, args...), cause: cause}
}

// KindOf returns the kind of the outermost fault in err's chain. Context errors are
// Canceled and Unavailable; everything else is Internal; nil is "".
func KindOf(err error) Kind {
	var f *fault
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return f.kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Internal
}

// Is reports whether err is of a kind.
func Is(err error, kind Kind) bool { return KindOf(err) == kind }

// Text returns the sentence for the person.
func Text(err error) string {
	var f *fault
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return f.text
	case errors.Is(err, context.Canceled):
		return "It was stopped."
	case errors.Is(err, context.DeadlineExceeded):
		return "It took too long and was stopped. Try again."
	}
	return "Something went wrong on our side. Nothing of yours was lost; try again."
}

// HTTPStatus is the one table from kinds to status codes.
func HTTPStatus(kind Kind) int {
	switch kind {
	case "":
		return 200
	case Invalid:
		return 400
	case Unauthorized:
		return 401
	case Forbidden:
		return 403
	case NotFound:
		return 404
	case Conflict:
		return 409
	case TooLarge:
		return 413
	case RateLimited:
		return 429
	case Canceled:
		return 499
	case Unavailable:
		return 503
	}
	return 500
}
