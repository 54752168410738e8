package llm

// bytesPerToken is what code and English have in common tokenizers, on the low side: an estimate that is too high
// cuts a conversation a little early, one that is too low gets it refused.
const bytesPerToken = 3.5

// EstimateTokens guesses the tokens of a text.
func EstimateTokens(text string) int64 { return EstimateBytes(len(text)) }

// EstimateBytes guesses the tokens of a text of so many bytes.
func EstimateBytes(n int) int64 { return int64(float64(n)/bytesPerToken) + 1 }

// Estimate guesses the input tokens of a request.
func Estimate(req Request) int64 {
	n := 0
	for _, part := range req.System {
		n += len(part)
	}
	for _, t := range req.Tools {
		n += len(t.Name) + len(t.Description) + len(t.Schema)
	}
	for _, m := range req.Messages {
		n += m.size()
	}
	return EstimateBytes(n)
}

func (m Message) size() int {
	n := len(m.Text) + 16
	for _, c := range m.Calls {
		n += len(c.Name) + len(c.Input) + 32
	}
	for _, r := range m.Results {
		n += len(r.Text) + 32
	}
	for _, t := range m.Thinking {
		n += len(t.Text) + len(t.Signature)/4 + len(t.Redacted)/4
	}
	return n
}
