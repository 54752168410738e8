package costs

import "testing"

func TestParseDollars(t *testing.T) {
	for text, want := range map[string]int64{"": 0, " ": 0, "400": 400_000_000, "$399.50": 399_500_000, "1,000": 1_000_000_000, "0.01": 10_000, ".5": -1, "1.5": 1_500_000, "1000000": MaxBudget} {
		got, err := parseDollars(text)
		if want < 0 != (err != nil) || err == nil && got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, bad := range []string{"-5", "0", "0.00", "1.234", "1.", "1e9", "1000000.01", "99999999999999999999999", "NaN", "5 €", "0x10", "+5"} {
		if got, err := parseDollars(bad); err == nil {
			t.Errorf("%q was taken as %d", bad, got)
		}
	}
}
