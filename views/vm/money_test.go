package vm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"overskill/internal/model"
	"overskill/views/vm"
)

func TestMoney(t *testing.T) {
	for micros, want := range map[int64]string{
		-1: "$0.00", 0: "$0.00", 1: "< $0.01", 9_999: "< $0.01", 10_000: "$0.01", 14_999: "$0.01", 15_000: "$0.02", 64_800: "$0.06", 994_999: "$0.99", 995_000: "$1.00",
		1_000_000: "$1.00", 38_410_000: "$38.41", 999_995_000: "$1,000.00", 1_234_567_890_000: "$1,234,567.89",
	} {
		if got := vm.Money(micros); got != want {
			t.Errorf("Money(%d) = %q, want %q", micros, got, want)
		}
	}
}

func TestTokens(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1.0k", 36_104: "36.1k", 99_949: "99.9k", 99_950: "100k", 120_400: "120k", 999_499: "999k", 999_500: "1.0M", 1_250_000: "1.2M", 250_000_000: "250M",
	} {
		if got := vm.Tokens(n); got != want {
			t.Errorf("Tokens(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestBill(t *testing.T) {
	for name, tc := range map[string]struct {
		v         model.Version
		recovered bool
		want      vm.Bill
	}{
		"nothing yet": {},
		"composer":    {v: model.Version{AIModelUsed: "composer/1"}, want: vm.Bill{Cost: "no cost"}},
		"priced": {
			v:    model.Version{AIModelUsed: "m", AICostMicros: 64_800, AITokensInput: 36_104, AITokensOutput: 3_912},
			want: vm.Bill{Cost: "$0.06", In: "36.1k in", Out: "3.9k out", Title: "36,104 tokens in, 3,912 out"},
		},
		"unpriced": {
			v:    model.Version{AIModelUsed: "m", AIUnpriced: 2, AITokensInput: 10},
			want: vm.Bill{Cost: "unpriced", In: "10 in", Out: "0 out", Title: "10 tokens in, 0 out"},
		},
		"partly unpriced": {v: model.Version{AICostMicros: 5, AIUnpriced: 1}, want: vm.Bill{Cost: "< $0.01", Unpriced: "1 unpriced request"}},
		"recovery":        {v: model.Version{AICostMicros: 20_000, AIAbsorbedMicros: 21_300}, recovered: true, want: vm.Bill{Cost: "$0.02", Absorbed: "recovery $0.02, not billed"}},
		"a broken reply":  {v: model.Version{AIAbsorbedMicros: 300}, want: vm.Bill{Cost: "no cost", Absorbed: "< $0.01 not billed"}},
	} {
		if diff := cmp.Diff(tc.want, vm.NewBill(tc.v, tc.recovered)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
