package anthropic

import (
	"errors"
	"net/http"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"
)

// features are parameters that the provider's own API takes and compatible servers may refuse.
type features uint32

const (
	thinking    features = 1 << iota // adaptive thinking, and the thinking of earlier replies
	eager                            // tool input streamed while it is written
	caching                          // cache marks
	allFeatures = thinking | eager | caching
)

func (f features) has(one features) bool         { return f&one != 0 }
func (f features) without(one features) features { return f &^ one }

// features are what the server is not known to refuse.
func (m *Model) features() features { return allFeatures &^ features(m.refused.Load()) }

// refusal reads out of an error which of the features in use the server does not take. It is lasting when the server
// does not know the parameter; otherwise something of it in this one conversation is not to its liking.
func refusal(err error, use features) (refused features, lasting bool) {
	if status := statusCode(err); status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return 0, false
	}
	var failed *sdk.Error
	if !errors.As(err, &failed) {
		return 0, false
	}
	text := strings.ToLower(failed.RawJSON())
	for _, f := range []struct {
		feature features
		name    string
	}{{eager, "eager_input_streaming"}, {caching, "cache_control"}, {thinking, "thinking"}} {
		if use.has(f.feature) && strings.Contains(text, f.name) {
			return f.feature, !strings.Contains(text, "messages.")
		}
	}
	return 0, false
}

// statusCode is the HTTP status that an error came with, or 0.
func statusCode(err error) int {
	var failed *sdk.Error
	if errors.As(err, &failed) {
		return failed.StatusCode
	}
	return 0
}
