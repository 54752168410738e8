package understand

import (
	"slices"

	"overskill/internal/llm/composer/spec"
)

// order puts parents before children, names entities apart, and breaks circles by turning the ref into text.
func (b *builder) order() {
	taken := map[string]bool{}
	plurals := map[string]bool{}
	for _, e := range b.entities {
		old := e.Name
		e.Name = uniqueName(e.Name, taken)
		e.Plural = uniqueName(e.Plural, plurals)
		if e.Name != old {
			for _, o := range b.entities {
				for i := range o.Fields {
					if o.Fields[i].Ref == old && o == e {
						o.Fields[i].Ref = e.Name
					}
				}
			}
		}
	}
	var out []*entity
	state := map[*entity]int{}
	var visit func(e *entity)
	visit = func(e *entity) {
		state[e] = 1
		for i := range e.Fields {
			f := &e.Fields[i]
			if f.Type != spec.Ref || f.Ref == e.Name {
				continue
			}
			at := slices.IndexFunc(b.entities, func(o *entity) bool { return o.Name == f.Ref })
			if at < 0 || state[b.entities[at]] == 1 {
				f.Type, f.Ref, f.Filter = spec.Text, "", false
				continue
			}
			if state[b.entities[at]] == 0 {
				visit(b.entities[at])
			}
		}
		state[e] = 2
		out = append(out, e)
	}
	for _, e := range b.entities {
		if state[e] == 0 {
			visit(e)
		}
	}
	b.entities = out
}
