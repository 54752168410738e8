package page

import (
	"fmt"
	"strings"
)

// brokenRule draws the measure with a piece missing: the sign of an error page.
func brokenRule() string {
	const from, to = 390, 440
	var b strings.Builder
	for x := 0; x <= 600; x += 10 {
		if x >= from && x <= to {
			continue
		}
		switch {
		case x%100 == 0:
			fmt.Fprintf(&b, "M%d 10v12", x)
		case x%50 == 0:
			fmt.Fprintf(&b, "M%d 10v8", x)
		default:
			fmt.Fprintf(&b, "M%d 10v4", x)
		}
	}
	fmt.Fprintf(&b, "M0 10H%dM%d 10H600", from-10, to+10)
	return b.String()
}
