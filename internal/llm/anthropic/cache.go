package anthropic

import (
	sdk "github.com/anthropics/anthropic-sdk-go"

	"overskill/internal/llm"
)

// minCacheable is how many tokens a prompt must have up to a mark before the provider keeps it. It is 512 to 4096, as
// the model goes; a mark that comes too early is ignored and costs nothing, so that one figure does for all.
const minCacheable = 1024

// mark puts the cache marks, of which the API takes four. The provider keeps the prompt up to each mark, in the order
// tools, system, messages, and reads the longest part that it kept of an earlier request; to find one it looks no
// further back from a mark than 20 blocks.
//
//   - behind the first part of the system prompt: that and the tools are the same for every app;
//   - behind its last part: the same for all requests of a turn. A short part is not worth a mark;
//   - behind the last user message: all there is, for the next request to read;
//   - behind the user message before it, where the request before this one had its last mark. Without it, a reply of
//     more than ten calls, whose calls and results are over 20 blocks, would hide all that was kept.
func (m *Model) mark(p *sdk.MessageNewParams, req llm.Request) {
	tokens := llm.Estimate(llm.Request{Tools: req.Tools})
	sinceMark := tokens
	stable := sdk.NewCacheControlEphemeralParam()
	if m.cacheHour {
		stable.TTL = sdk.CacheControlEphemeralTTLTTL1h
	}
	if last := len(p.Tools) - 1; len(p.System) == 0 && last >= 0 && tokens >= minCacheable {
		p.Tools[last].OfTool.CacheControl = stable
	}
	for i := range p.System {
		n := llm.EstimateTokens(p.System[i].Text)
		tokens += n
		sinceMark += n
		if (i == 0 || i == len(p.System)-1) && sinceMark >= minCacheable {
			p.System[i].CacheControl = stable
			sinceMark = 0
		}
	}
	m.markMessages(p.Messages, tokens)
}

// markMessages marks the last two messages of the user, in a prompt that had so many tokens before.
func (m *Model) markMessages(messages []sdk.MessageParam, tokens int64) {
	ends := make([]int64, len(messages)) // tokens of the prompt up to the end of each
	for i := range messages {
		tokens += blockTokens(messages[i].Content)
		ends[i] = tokens
	}
	marks := 0
	for i := len(messages) - 1; i >= 0 && marks < 2; i-- {
		if messages[i].Role != sdk.MessageParamRoleUser {
			continue
		}
		marks++
		if ends[i] < minCacheable {
			return
		}
		switch end := &messages[i].Content[len(messages[i].Content)-1]; {
		case end.OfText != nil:
			end.OfText.CacheControl = sdk.NewCacheControlEphemeralParam()
		case end.OfToolResult != nil:
			end.OfToolResult.CacheControl = sdk.NewCacheControlEphemeralParam()
		}
	}
}

// blockTokens guesses the tokens of the blocks.
func blockTokens(blocks []sdk.ContentBlockParamUnion) int64 {
	var n int64
	for _, b := range blocks {
		switch {
		case b.OfText != nil:
			n += llm.EstimateTokens(b.OfText.Text)
		case b.OfToolUse != nil:
			if input, ok := b.OfToolUse.Input.(llm.RawInput); ok {
				n += llm.EstimateTokens(string(input))
			}
		case b.OfToolResult != nil:
			for _, c := range b.OfToolResult.Content {
				n += llm.EstimateTokens(c.OfText.Text)
			}
		}
	}
	return n
}
