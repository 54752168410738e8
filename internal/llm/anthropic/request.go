package anthropic

import (
	"encoding/json"
	"strings"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"overskill/internal/llm"
)

// params writes a request in the API's terms. The same request gives the same bytes, or no cache would ever be hit.
func (m *Model) params(req llm.Request, use features) (sdk.MessageNewParams, error) {
	p := sdk.MessageNewParams{
		Model:     m.name,
		MaxTokens: m.maxTokens(req.MaxTokens),
		System:    system(req.System),
		Tools:     tools(req.Tools, use),
		Messages:  m.conversation(req.Messages, use),
	}
	if n := len(p.Messages); n == 0 || p.Messages[n-1].Role != sdk.MessageParamRoleUser {
		return p, llm.NewError(llm.BadRequest, nil, "There is nothing to answer: the conversation does not end with a message to the model.")
	}
	for _, t := range req.Tools {
		if !json.Valid(t.Schema) {
			return p, llm.NewError(llm.BadRequest, nil, "The schema of the tool %s is no JSON.", t.Name)
		}
	}
	if use.has(thinking) {
		p.Thinking = sdk.ThinkingConfigParamUnion{OfAdaptive: &sdk.ThinkingConfigAdaptiveParam{
			Display: sdk.ThinkingConfigAdaptiveDisplaySummarized,
		}}
	}
	if use.has(caching) {
		m.mark(&p, req)
	}
	return p, nil
}

// countParams is the part of a request that counts.
func countParams(p sdk.MessageNewParams) sdk.MessageCountTokensParams {
	c := sdk.MessageCountTokensParams{Model: p.Model, Messages: p.Messages, Thinking: p.Thinking}
	if len(p.System) > 0 {
		c.System = sdk.MessageCountTokensParamsSystemUnion{OfTextBlockArray: p.System}
	}
	for _, t := range p.Tools {
		c.Tools = append(c.Tools, sdk.MessageCountTokensToolUnionParam{OfTool: t.OfTool})
	}
	return c
}

func (m *Model) maxTokens(wanted int) int64 {
	n := int64(wanted)
	if n <= 0 {
		n = defaultMaxTokens
	}
	if m.limits.MaxOutput > 0 {
		n = min(n, m.limits.MaxOutput)
	}
	return n
}

func system(parts []string) []sdk.TextBlockParam {
	var blocks []sdk.TextBlockParam
	for _, part := range parts {
		if !blank(part) {
			blocks = append(blocks, sdk.TextBlockParam{Text: part})
		}
	}
	return blocks
}

func tools(list []llm.Tool, use features) []sdk.ToolUnionParam {
	out := make([]sdk.ToolUnionParam, 0, len(list))
	for _, t := range list {
		tool := &sdk.ToolParam{
			Name: t.Name,
			// As it stands: the SDK's own type would lose what it does not know.
			InputSchema: param.Override[sdk.ToolInputSchemaParam](t.Schema),
		}
		if t.Description != "" {
			tool.Description = sdk.String(t.Description)
		}
		if use.has(eager) {
			tool.EagerInputStreaming = sdk.Bool(true)
		}
		out = append(out, sdk.ToolUnionParam{OfTool: tool})
	}
	return out
}

// conversation maps the messages. The API wants turns that alternate and begin with the user's; every call answered in
// the message behind it, results before any other content; and no empty text. Messages of one role that follow each
// other become one. Calls that nobody answered, because somebody stopped the work there, are answered as not run.
func (m *Model) conversation(messages []llm.Message, use features) []sdk.MessageParam {
	var (
		out  []sdk.MessageParam
		open []llm.ToolCall // calls of the assistant's last message
	)
	if len(messages) > 0 && messages[0].Role == llm.Assistant {
		out = append(out, sdk.NewUserMessage(sdk.NewTextBlock("(The beginning of the conversation is left out.)")))
	}
	for len(messages) > 0 {
		n := 1
		for n < len(messages) && messages[n].Role == messages[0].Role {
			n++
		}
		turn, role := messages[:n], messages[0].Role
		messages = messages[n:]
		var blocks []sdk.ContentBlockParamUnion
		if role == llm.Assistant {
			blocks, open = m.said(turn, use)
		} else {
			blocks = answered(turn, open)
			open = nil
		}
		if len(blocks) > 0 {
			out = appendTurn(out, role, blocks)
		}
	}
	if len(open) > 0 {
		out = appendTurn(out, llm.User, answered(nil, open))
	}
	return out
}

// appendTurn appends blocks to the last message, if it has the role, or as a message of their own.
func appendTurn(list []sdk.MessageParam, from llm.Role, blocks []sdk.ContentBlockParamUnion) []sdk.MessageParam {
	role := sdk.MessageParamRoleUser
	if from == llm.Assistant {
		role = sdk.MessageParamRoleAssistant
	}
	if last := len(list) - 1; last >= 0 && list[last].Role == role {
		list[last].Content = append(list[last].Content, blocks...)
		return list
	}
	return append(list, sdk.MessageParam{Role: role, Content: blocks})
}

// said is what the assistant said in messages that follow each other, and the calls in it.
func (m *Model) said(messages []llm.Message, use features) (blocks []sdk.ContentBlockParamUnion, calls []llm.ToolCall) {
	var uses []sdk.ContentBlockParamUnion
	for _, msg := range messages {
		if use.has(thinking) {
			blocks = append(blocks, m.thought(msg.Thinking)...)
		}
		if !blank(msg.Text) {
			blocks = append(blocks, sdk.NewTextBlock(msg.Text))
		}
		for _, c := range msg.Calls {
			input := c.Input
			if len(input) == 0 {
				input = llm.RawInput("{}")
			}
			uses = append(uses, sdk.NewToolUseBlock(wireID(c.ID), input, c.Name))
			calls = append(calls, c)
		}
	}
	// Calls come last, because their results must follow them.
	return append(blocks, uses...), calls
}

// thought is the thinking that this model signed. What another model thought is nothing to this one.
func (m *Model) thought(list []llm.Thinking) []sdk.ContentBlockParamUnion {
	var blocks []sdk.ContentBlockParamUnion
	for _, t := range list {
		switch {
		case t.Model != m.name:
		case t.Redacted != "":
			blocks = append(blocks, sdk.NewRedactedThinkingBlock(t.Redacted))
		case t.Signature != "":
			blocks = append(blocks, sdk.NewThinkingBlock(t.Signature, t.Text))
		}
	}
	return blocks
}

// answered is what the user's messages hold: a result for every open call, in the order in which they came, and then
// the text. A result that no call asked for is given as text, since the API takes no other.
func answered(messages []llm.Message, open []llm.ToolCall) []sdk.ContentBlockParamUnion {
	waiting := make(map[string]bool, len(open))
	for _, c := range open {
		waiting[c.ID] = true
	}
	var results, texts []sdk.ContentBlockParamUnion
	for _, msg := range messages {
		for _, r := range msg.Results {
			switch {
			case waiting[r.CallID]:
				delete(waiting, r.CallID)
				results = append(results, result(r))
			case !blank(r.Text):
				texts = append(texts, sdk.NewTextBlock("A result from earlier:\n"+r.Text))
			}
		}
		if !blank(msg.Text) {
			texts = append(texts, sdk.NewTextBlock(msg.Text))
		}
	}
	for _, c := range open {
		if waiting[c.ID] {
			delete(waiting, c.ID)
			results = append(results, result(llm.ToolResult{CallID: c.ID, Text: "This call was not run: the work was stopped before it.", Failed: true}))
		}
	}
	return append(results, texts...)
}

func result(r llm.ToolResult) sdk.ContentBlockParamUnion {
	block := sdk.ToolResultBlockParam{ToolUseID: wireID(r.CallID)}
	if !blank(r.Text) {
		block.Content = []sdk.ToolResultBlockParamContentUnion{{OfText: &sdk.TextBlockParam{Text: r.Text}}}
	}
	if r.Failed {
		block.IsError = sdk.Bool(true)
	}
	return sdk.ContentBlockParamUnion{OfToolResult: &block}
}

// wireID is a call's id in the letters that the API allows: a conversation may have begun with another provider.
func wireID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, id)
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }
