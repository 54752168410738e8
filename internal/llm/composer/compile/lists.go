package compile

import (
	"cmp"

	"overskill/internal/llm/composer/spec"
)

// This file holds what a list shows and how it is narrowed and sorted.

// ListFields are the columns of the list beside the title, at most five.
func (e *entity) ListFields() []*field {
	var out []*field
	for _, f := range e.Fields {
		if f.List && f != e.TitleField && f.Type != spec.Image && f.toggleOf() == nil {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		for _, f := range e.Fields {
			if f != e.TitleField && f.Type != spec.Image && !f.isLong() && f.toggleOf() == nil && len(out) < 3 {
				out = append(out, f)
			}
		}
	}
	return out[:min(len(out), 6)]
}

// ImageField is the picture beside the title, or nil.
func (e *entity) ImageField() *field {
	for _, f := range e.Fields {
		if f.Type == spec.Image {
			return f
		}
	}
	return nil
}

// Filters are the fields that the list can be narrowed by.
func (e *entity) Filters() []*field {
	var out []*field
	for _, f := range e.Fields {
		if f.Filter && (f.Type == spec.Select || f.Type == spec.Ref || f.Type == spec.Boolean) {
			out = append(out, f)
		}
	}
	return out
}

// Selects are the fields with options.
func (e *entity) Selects() []*field {
	var out []*field
	for _, f := range e.Fields {
		if f.Type == spec.Select {
			out = append(out, f)
		}
	}
	return out
}

// SortCol is the view's column that sorts by the field.
func (f *field) SortCol() string { return cmp.Or(f.TitleCol, f.Col) }

// DefaultSort is the view's column and direction of the list as it opens.
func (e *entity) DefaultSort() (col string, ascending bool) {
	if f := e.field(e.Sort.Field); f != nil {
		return f.SortCol(), !e.Sort.Desc
	}
	if e.VoteTable != "" && e.Sort.Field == "" {
		return "vote_count", false
	}
	return "created_at", e.Sort.Field == "created_at" && !e.Sort.Desc
}
