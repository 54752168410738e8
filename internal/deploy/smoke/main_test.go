package smoke

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// common is the checker of the tests that ask nothing special of one. A browser takes longer to start than most
// pages to check, and checks share nothing: so these tests run side by side, in one browser.
var common lazyChecker

// lazyChecker is a Checker that the first test that needs it makes.
type lazyChecker struct {
	once     sync.Once
	profiles string
	checker  *Checker
	err      error
}

func (l *lazyChecker) get(t *testing.T) *Checker {
	t.Helper()
	l.once.Do(func() {
		if l.profiles, l.err = os.MkdirTemp("", "smoke-test-"); l.err == nil {
			l.checker, l.err = New(Config{Profiles: l.profiles, Appear: 200 * time.Millisecond, Blank: time.Second})
		}
	})
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l.checker
}

func (l *lazyChecker) close() error {
	var err error
	if l.checker != nil {
		err = l.checker.Close()
	}
	if l.profiles != "" {
		err = errors.Join(err, os.RemoveAll(l.profiles))
	}
	return err
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := common.close(); err != nil {
		fmt.Fprintln(os.Stderr, "close the common checker:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}
