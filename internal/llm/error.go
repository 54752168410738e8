package llm

import (
	"errors"
	"fmt"
	"time"

	"overskill/internal/fault"
)

// ErrorKind is why a request failed.
type ErrorKind string

const (
	Broken       ErrorKind = "broken"       // the reply broke off in the middle, or made no sense
	Unreachable  ErrorKind = "unreachable"  // no connection
	Overloaded   ErrorKind = "overloaded"   // 529, 500, 502, 503, after the adapter's own retries
	RateLimited  ErrorKind = "rate_limited" // 429, after the adapter's own retries
	Silent       ErrorKind = "silent"       // nothing came for too long
	Unauthorized ErrorKind = "unauthorized" // the key is wrong or may not do this
	NoMoney      ErrorKind = "no_money"     // the provider's account has no credit left
	UnknownModel ErrorKind = "unknown_model"
	TooLong      ErrorKind = "too_long" // more than the model can read
	BadRequest   ErrorKind = "bad_request"
)

// Error is a request that failed. It wraps a fault whose sentence people may read; no text of it ever holds a key.
type Error struct {
	Kind       ErrorKind
	Status     int           // of HTTP; 0 when there was none
	RetryAfter time.Duration // as the provider asked; 0 when it did not
	Begun      bool          // some of the reply had come: it may have cost something
	err        error
}

// NewError says in a sentence why a request failed; cause may be nil.
func NewError(kind ErrorKind, cause error, format string, args ...any) *Error {
	k := fault.Unavailable
	switch kind {
	case RateLimited:
		k = fault.RateLimited
	case Unauthorized, NoMoney, UnknownModel, TooLong, BadRequest:
		k = fault.Invalid
	}
	if cause == nil {
		return &Error{Kind: kind, err: fault.New(k, format, args...)}
	}
	return &Error{Kind: kind, err: fault.Wrap(cause, k, format, args...)}
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Kind, e.err) }
func (e *Error) Unwrap() error { return e.err }

// Temporary reports whether the same request may succeed a little later.
func (e *Error) Temporary() bool {
	switch e.Kind {
	case Broken, Unreachable, Overloaded, RateLimited, Silent:
		return true
	}
	return false
}

// AsError returns the *Error in err, if there is one.
func AsError(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}
